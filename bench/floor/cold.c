// The kernel's own price of a fresh sandbox: namespaces, a root file system, execve(2), and the end of it all.
// No control group, system call filter or user namespace; nothing is asked of anybody else.
//
// Usage: cold ROOT    (as root; ROOT holds bin/true, proc, sys, dev and tmp)
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "measure.h"

static const char* root;

static void Mount(const char* source, const char* target, const char* type, unsigned long flags, const char* options) {
  if (mount(source, target, type, flags, options) != 0) Fail(target);
}

static void MakeDev(void) {
  static const struct {
    const char* path;
    unsigned minor;
  } kNodes[] = {{"dev/null", 3}, {"dev/zero", 5}, {"dev/full", 7}, {"dev/random", 8}, {"dev/urandom", 9}};
  Mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k");
  for (unsigned i = 0; i < sizeof kNodes / sizeof *kNodes; i++) {
    if (mknod(kNodes[i].path, S_IFCHR | 0666, makedev(1, kNodes[i].minor)) != 0) Fail(kNodes[i].path);
  }
  mkdir("dev/pts", 0755);
  mkdir("dev/shm", 0755);
  Mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666");
  Mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64m");
}

// An overlay of ROOT below a tmpfs: the cheapest writable layer there is.
static void MakeRoot(void) {
  char options[600];
  const unsigned long inert = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  Mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (chdir(root) != 0) Fail(root);
  Mount("tmpfs", "tmp", "tmpfs", 0, "size=64m");
  if (chdir("tmp") != 0) Fail("chdir");
  if (mkdir("upper", 0755) || mkdir("work", 0755) || mkdir("root", 0755)) Fail("mkdir");
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=upper,workdir=work", root);
  Mount("overlay", "root", "overlay", 0, options);
  if (chdir("root") != 0) Fail("chdir");
  Mount("proc", "proc", "proc", inert, NULL);
  Mount("sysfs", "sys", "sysfs", inert | MS_RDONLY, NULL);
  MakeDev();
  if (syscall(SYS_pivot_root, ".", ".") != 0) Fail("pivot_root");
  if (umount2(".", MNT_DETACH) != 0) Fail("umount2");
}

static void StartFresh(void) {
  struct clone_args args = {.exit_signal = SIGCHLD};
  args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWNET;
  const pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) Fail("clone3");
  if (pid == 0) {
    MakeRoot();
    if (sethostname("floor", 5) != 0) Fail("sethostname");
    execl("/bin/true", "true", NULL);
    Fail("execve");
  }
  AwaitSuccess(pid);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  root = argv[1];
  Serve(StartFresh);
  return 0;
}
