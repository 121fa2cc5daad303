/* Doors that are system calls. */
#define _GNU_SOURCE
#include "doors.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#define DOOR(name, expression) \
  static int try_##name(void) { return expression; }
/* Went through, or was refused only after the filter and every check of rights let it pass. */
#define PASSES(call) ((call) >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS))

static int at(const char* path) {
  mkdir(path, 0755);
  return 1;
}

DOOR(mount_tmpfs, at("/tmp/m") && mount("none", "/tmp/m", "tmpfs", 0, NULL) == 0)
DOOR(mount_proc, at("/tmp/m") && mount("proc", "/tmp/m", "proc", 0, NULL) == 0)
DOOR(mount_sysfs, at("/tmp/m") && mount("sysfs", "/tmp/m", "sysfs", 0, NULL) == 0)
DOOR(mount_cgroup, at("/tmp/m") && mount("none", "/tmp/m", "cgroup2", 0, NULL) == 0)
DOOR(mount_cgroup_v1, at("/tmp/m") && mount("none", "/tmp/m", "cgroup", 0, "memory") == 0)
DOOR(mount_overlay, at("/tmp/m") && mount("none", "/tmp/m", "overlay", 0, "lowerdir=/etc:/usr") == 0)
DOOR(mount_debugfs, at("/tmp/m") && mount("none", "/tmp/m", "debugfs", 0, NULL) == 0)
DOOR(mount_devtmpfs, at("/tmp/m") && mount("none", "/tmp/m", "devtmpfs", 0, NULL) == 0)
DOOR(mount_bind, at("/tmp/m") && mount("/proc", "/tmp/m", NULL, MS_BIND | MS_REC, NULL) == 0)
DOOR(remount_proc_sys, mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
DOOR(remount_sys, mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
DOOR(remount_dev, mount(NULL, "/dev", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
DOOR(remount_root_dev, mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
DOOR(propagate, mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) == 0)
DOOR(unmask, umount2("/proc/keys", 0) == 0 || umount2("/sys/firmware", 0) == 0 || umount2("/proc/sys", MNT_DETACH) == 0)
DOOR(unmount_root, umount2("/", MNT_DETACH) == 0)
DOOR(pivot, at("/tmp/m") && syscall(SYS_pivot_root, "/tmp/m", "/tmp/m") == 0)
DOOR(open_tree, syscall(SYS_open_tree, AT_FDCWD, "/", 1) >= 0)
DOOR(move_mount, PASSES(syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0)))
DOOR(fsopen, syscall(SYS_fsopen, "tmpfs", 0) >= 0)
DOOR(mount_setattr, PASSES(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, "", 32)))

DOOR(unshare_user, unshare(CLONE_NEWUSER) == 0)
DOOR(unshare_mount, unshare(CLONE_NEWNS) == 0)
DOOR(unshare_pid, unshare(CLONE_NEWPID) == 0)
DOOR(unshare_net, unshare(CLONE_NEWNET) == 0)
static int cloned(long pid) {
  if (pid == 0) _exit(0);
  return pid > 0;
}
DOOR(clone_user, cloned(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)))
static int try_clone3_user(void) {
  struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  return cloned(syscall(SYS_clone3, &args, sizeof args));
}
DOOR(setns_init, setns(syscall(SYS_pidfd_open, 1, 0), CLONE_NEWUSER) == 0)
DOOR(setns_own, setns(open("/proc/self/ns/mnt", O_RDONLY), 0) == 0)

struct handle {
  unsigned bytes;
  int type;
  unsigned char data[128];
};
static int try_by_handle(void) { /* "shocker": inode 2 is the root of most disks */
  struct handle handle = {8, 1, {2}};
  return PASSES(syscall(SYS_open_by_handle_at, open("/", O_RDONLY), &handle, O_RDONLY));
}

DOOR(bpf, PASSES(syscall(SYS_bpf, 0, "", 0)))
DOOR(perf, PASSES(syscall(SYS_perf_event_open, "", 0, -1, -1, 0)))
DOOR(io_uring, PASSES(syscall(SYS_io_uring_setup, 1, NULL)))
DOOR(userfaultfd, syscall(SYS_userfaultfd, O_CLOEXEC) >= 0 || syscall(SYS_userfaultfd, 1) >= 0)
DOOR(keyctl, PASSES(syscall(SYS_keyctl, 0, -3, 0)))
DOOR(add_key, PASSES(syscall(SYS_add_key, "user", "door", "x", 1, -3)))
DOOR(request_key, PASSES(syscall(SYS_request_key, "user", "door", NULL, 0)))
DOOR(init_module, PASSES(syscall(SYS_init_module, "", 0, "")))
DOOR(finit_module, PASSES(syscall(SYS_finit_module, -1, "", 0)))
DOOR(delete_module, PASSES(syscall(SYS_delete_module, "door", 0)))
DOOR(kexec, PASSES(syscall(SYS_kexec_load, 0, 0, NULL, 0)))
DOOR(kexec_file, PASSES(syscall(SYS_kexec_file_load, -1, -1, 0, "", 0)))
DOOR(reboot_call, PASSES(syscall(SYS_reboot, 0, 0, 0, NULL)))
DOOR(swap, PASSES(syscall(SYS_swapon, "/tmp", 0)))
DOOR(set_time, settimeofday(&(struct timeval){1, 0}, NULL) == 0)
DOOR(set_clock, clock_settime(CLOCK_REALTIME, &(struct timespec){1, 0}) == 0)
DOOR(adjust_time, adjtimex(&(struct timex){.modes = ADJ_OFFSET}) >= 0)
DOOR(set_hostname, sethostname("door", 4) == 0)
DOOR(iopl, syscall(SYS_iopl, 3) == 0)
DOOR(ioperm, syscall(SYS_ioperm, 0x80, 1, 1) == 0)
DOOR(accounting, PASSES(syscall(SYS_acct, "/tmp/acct")))
DOOR(quota, PASSES(syscall(SYS_quotactl, 0x800001, "/dev/vda", 0, NULL)))
DOOR(kernel_log, syscall(SYS_syslog, 3, (char[64]){0}, 64) >= 0)
DOOR(fanotify, syscall(SYS_fanotify_init, 0, 0) >= 0 || syscall(SYS_fanotify_init, 0x200, 0) >= 0)
DOOR(cookie, PASSES(syscall(SYS_lookup_dcookie, 0L, "", 0)))
DOOR(hangup, syscall(SYS_vhangup) == 0)

DOOR(trace_init, ptrace(PTRACE_ATTACH, 1, 0, 0) == 0 || ptrace(PTRACE_SEIZE, 1, 0, 0) == 0)
static int try_read_init(void) {
  char byte;
  struct iovec here = {&byte, 1}, there = {(void*)0x400000, 1};
  return PASSES(process_vm_readv(1, &here, 1, &there, 1, 0));
}
static int try_write_init(void) {
  char byte = 0;
  struct iovec here = {&byte, 1}, there = {(void*)0x400000, 1};
  return PASSES(process_vm_writev(1, &here, 1, &there, 1, 0));
}
DOOR(take_fd_of_init, syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, 1, 0), 4, 0) >= 0)
DOOR(compare_init, PASSES(syscall(SYS_kcmp, 1, getpid(), 2, 0, 0)))
DOOR(limit_init, prlimit(1, RLIMIT_NOFILE, &(struct rlimit){4, 4}, NULL) == 0)
DOOR(schedule_init, sched_setscheduler(1, SCHED_IDLE, &(struct sched_param){0}) == 0)
DOOR(move_pages, PASSES(syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0)))
DOOR(migrate_pages, PASSES(syscall(SYS_migrate_pages, 1, 0, NULL, NULL)))
DOOR(advise_init, PASSES(syscall(440, syscall(SYS_pidfd_open, 1, 0), NULL, 0, 20, 0)))

/* The signals go out; that init is there afterwards and did nothing is what shuts the door. */
static int try_kill_init(void) {
  const int all[] = {SIGKILL, SIGSTOP, SIGTERM, SIGSEGV, SIGTSTP, SIGHUP, SIGRTMIN};
  for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) kill(1, all[i]);
  char state[512] = "";
  usleep(100000);
  int fd = open("/proc/1/stat", O_RDONLY);
  if (read(fd, state, sizeof state - 1) <= 0) return 1;
  const char* mark = strrchr(state, ')');
  return mark == NULL || mark[2] == 'T' || mark[2] == 'Z';
}
static int try_kill_host(void) { /* no number is one of the host's */
  int seen = 0;
  for (int pid = 2; pid < 70000; pid++) {
    if (kill(pid, 0) == 0 || errno == EPERM) seen++;
  }
  return seen > 16;
}

static int has_socket(int family, int type, int protocol) { return socket(family, type, protocol) >= 0; }
DOOR(packet_socket, has_socket(AF_PACKET, SOCK_RAW, 0x300))
DOOR(raw_socket, has_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))
DOOR(vsock, has_socket(AF_VSOCK, SOCK_STREAM, 0))
DOOR(netfilter_options, socket(AF_INET, SOCK_DGRAM, 0) >= 0 && getsockopt(3, 0, 64, (char[84]){"filter"}, &(socklen_t){84}) == 0)

static int netlink_does(int protocol, int type, int flags, const void* body, unsigned size) {
  struct {
    struct nlmsghdr head;
    char body[256];
  } message = {.head = {NLMSG_LENGTH(size), type, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0}};
  memcpy(message.body, body, size);
  int fd = socket(AF_NETLINK, SOCK_RAW, protocol);
  if (fd < 0 || send(fd, &message, message.head.nlmsg_len, 0) < 0) return 0;
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    char rest[512];
  } answer;
  return recv(fd, &answer, sizeof answer, 0) > 0 && answer.head.nlmsg_type == NLMSG_ERROR && answer.error.error == 0;
}
static int try_take_link_down(void) {
  struct ifinfomsg link = {.ifi_index = 1, .ifi_change = IFF_UP};
  return netlink_does(NETLINK_ROUTE, RTM_NEWLINK, 0, &link, sizeof link);
}
static int try_other_links(void) {
  for (unsigned i = 2; i < 64; i++) {
    char name[IF_NAMESIZE];
    if (if_indextoname(i, name) != NULL) return 1;
  }
  return 0;
}
static int try_reaches_outside(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x01010101)};
  return connect(socket(AF_INET, SOCK_DGRAM, 0), (void*)&to, sizeof to) == 0;
}
static int try_foreign_abstract_socket(void) {
  char line[512];
  FILE* file = fopen("/proc/net/unix", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strchr(line, '@') != NULL) return 1;
  }
  return 0;
}

DOOR(inject_input, ioctl(0, TIOCSTI, "x") == 0 || ioctl(1, TIOCSTI, "x") == 0 || ioctl(open("/dev/tty", O_RDWR), TIOCSTI, "x") == 0)
/* The kernel looks at 32 bits of the request: more are no way around a filter. */
DOOR(inject_input_wide, syscall(SYS_ioctl, 0, TIOCSTI | 1L << 32, "x") == 0 || syscall(SYS_ioctl, 1, TIOCSTI | 1L << 63, "x") == 0)
#ifdef __x86_64__
/* The way into the kernel of 32-bit programs, with numbers of its own. Any program has it, where the kernel does; pointers have to fit. */
static long compat_ioctl(int fd, long request, long argument) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(54L), "b"((long)fd), "c"(request), "d"(argument) : "memory", "r8", "r9", "r10", "r11");
  return result;
}
static long low_memory(void) {
  return (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}
#else
static long compat_ioctl(int fd, long request, long argument) { return ioctl(fd, request, argument); }
static long low_memory(void) { return (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
#endif
DOOR(inject_input_compat, compat_ioctl(0, TIOCSTI, low_memory()) == 0 || compat_ioctl(open("/dev/tty", O_RDWR), TIOCSTI, low_memory()) == 0)
/* N_TTY, which is there already: whoever may choose it may choose others, whose modules the kernel loads. */
DOOR(line_discipline, ioctl(open("/dev/ptmx", O_RDWR | O_NOCTTY), TIOCSETD, &(int){0}) == 0)
DOOR(line_discipline_compat, compat_ioctl(open("/dev/ptmx", O_RDWR | O_NOCTTY), TIOCSETD, low_memory()) == 0)
DOOR(console_selection, ioctl(0, TIOCLINUX, (char[]){2, 0}) == 0)
DOOR(console_take, ioctl(0, TIOCCONS, 0) == 0)
DOOR(be_nice, setpriority(PRIO_PROCESS, 0, -5) == 0)
DOOR(real_time, sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}) == 0)
DOOR(raise_files, setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20}) == 0)
DOOR(raise_core, setrlimit(RLIMIT_CORE, &(struct rlimit){1 << 20, 1 << 20}) == 0)
DOOR(wake_alarm, timer_create(CLOCK_REALTIME_ALARM, NULL, &(timer_t){0}) == 0)
DOOR(securebits, prctl(PR_SET_SECUREBITS, 1) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0) == 0)
DOOR(ambient, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0) == 0)
DOOR(new_privileges, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
DOOR(no_filter, prctl(PR_GET_SECCOMP) != 2)

static int try_capset_all(void) {
  unsigned head[2] = {0x20080522, 0}, data[6] = {~0U, ~0U, ~0U, ~0U, ~0U, ~0U};
  return syscall(SYS_capset, head, data) == 0;
}
static int try_chroot_out(void) {
  struct stat root, above;
  stat("/", &root);
  mkdir("/tmp/jail", 0700);
  int outside = open("/", O_RDONLY | O_DIRECTORY);
  if (chroot("/tmp/jail") != 0 || fchdir(outside) != 0) return 0;
  for (int i = 0; i < 64; i++) chdir("..");
  return stat(".", &above) == 0 && (above.st_ino != root.st_ino || above.st_dev != root.st_dev);
}

#define NAMED(name) {#name, try_##name}
static const struct door doors[] = {
    NAMED(mount_tmpfs),     NAMED(mount_proc),    NAMED(mount_sysfs),       NAMED(mount_cgroup),     NAMED(mount_cgroup_v1),
    NAMED(mount_overlay),   NAMED(mount_debugfs), NAMED(mount_devtmpfs),    NAMED(mount_bind),       NAMED(remount_proc_sys),
    NAMED(remount_sys),     NAMED(remount_dev),   NAMED(remount_root_dev),  NAMED(propagate),        NAMED(unmask),
    NAMED(unmount_root),    NAMED(pivot),         NAMED(open_tree),         NAMED(move_mount),       NAMED(fsopen),
    NAMED(mount_setattr),   NAMED(unshare_user),  NAMED(unshare_mount),     NAMED(unshare_pid),      NAMED(unshare_net),
    NAMED(clone_user),      NAMED(clone3_user),   NAMED(setns_init),        NAMED(setns_own),        NAMED(by_handle),
    NAMED(bpf),             NAMED(perf),          NAMED(io_uring),          NAMED(userfaultfd),      NAMED(keyctl),
    NAMED(add_key),         NAMED(request_key),   NAMED(init_module),       NAMED(finit_module),     NAMED(delete_module),
    NAMED(kexec),           NAMED(kexec_file),    NAMED(reboot_call),       NAMED(swap),             NAMED(set_time),
    NAMED(set_clock),       NAMED(adjust_time),   NAMED(set_hostname),      NAMED(iopl),             NAMED(ioperm),
    NAMED(accounting),      NAMED(quota),         NAMED(kernel_log),        NAMED(fanotify),         NAMED(cookie),
    NAMED(hangup),          NAMED(trace_init),    NAMED(read_init),         NAMED(write_init),       NAMED(take_fd_of_init),
    NAMED(compare_init),    NAMED(limit_init),    NAMED(schedule_init),     NAMED(move_pages),       NAMED(migrate_pages),
    NAMED(advise_init),     NAMED(kill_init),     NAMED(kill_host),         NAMED(packet_socket),    NAMED(raw_socket),
    NAMED(vsock),           NAMED(netfilter_options), NAMED(take_link_down), NAMED(other_links),     NAMED(reaches_outside),
    NAMED(foreign_abstract_socket), NAMED(inject_input), NAMED(inject_input_wide), NAMED(inject_input_compat),
    NAMED(line_discipline), NAMED(line_discipline_compat), NAMED(console_selection), NAMED(console_take), NAMED(be_nice),
    NAMED(real_time),       NAMED(raise_files),   NAMED(raise_core),        NAMED(wake_alarm),       NAMED(securebits),
    NAMED(ambient),         NAMED(new_privileges), NAMED(no_filter),        NAMED(capset_all),       NAMED(chroot_out),
};

int main(void) { return walk(doors, sizeof doors / sizeof doors[0]); }
