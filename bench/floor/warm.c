// The kernel's own price of one command: by itself, or in namespaces that exist already.
//
// Usage: warm ROOT exec    (execve(2) alone)
//        warm ROOT join    (as root: setns(2) and execve(2); ROOT holds bin/true and proc)
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "measure.h"

static const int kNamespaces =
    CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWNET;
static const char* program;
static int sandbox = -1;

static void Execute(void) {
  const pid_t pid = vfork();
  if (pid < 0) Fail("vfork");
  if (pid == 0) {
    execl(program, "true", NULL);
    _exit(127);
  }
  AwaitSuccess(pid);
}

// A process enters a pid namespace with its children, setns(2): so it takes two.
static void Join(void) {
  const pid_t pid = fork();
  if (pid < 0) Fail("fork");
  if (pid == 0) {
    if (setns(sandbox, kNamespaces) != 0) Fail("setns");
    Execute();
    _exit(0);
  }
  AwaitSuccess(pid);
}

static void BeSandbox(const char* root, int ready) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) Fail("mount /");
  if (mount(root, root, NULL, MS_BIND, NULL) != 0 || chdir(root) != 0) Fail(root);
  if (mount("proc", "proc", "proc", 0, NULL) != 0) Fail("mount proc");
  if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0) Fail("pivot_root");
  if (write(ready, "", 1) != 1) Fail("write");
  for (;;) pause();
}

static void OpenSandbox(const char* root) {
  int ready[2];
  if (pipe(ready) != 0) Fail("pipe");
  struct clone_args args = {.flags = (unsigned)kNamespaces, .exit_signal = SIGCHLD};
  const pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) Fail("clone3");
  if (pid == 0) BeSandbox(root, ready[1]);
  close(ready[1]);
  char byte;
  if (read(ready[0], &byte, 1) != 1) exit(1);
  sandbox = (int)syscall(SYS_pidfd_open, pid, 0);
  if (sandbox < 0) Fail("pidfd_open");
}

int main(int argc, char** argv) {
  static char path[600];
  if (argc != 3) return 2;
  const int joins = strcmp(argv[2], "join") == 0;
  snprintf(path, sizeof path, "%s/bin/true", joins ? "" : argv[1]);
  program = path;
  if (joins) OpenSandbox(argv[1]);
  Serve(joins ? Join : Execute);
  return 0;
}
