/* Takes as much of one thing as it gets, prints "<how many> <errno>" and keeps it: exhaust KIND MOST [PROCESSES]. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char chunk[64 * 1024];

static int take_file(long n) { (void)n; return open("/dev/null", O_RDONLY); }
static int take_inotify(long n) { (void)n; return inotify_init1(0); }
static int take_terminal(long n) { (void)n; return open("/dev/ptmx", O_RDWR | O_NOCTTY); }

static int take_watch(long n) {
  static int fd = -1;
  char path[64];
  if (fd < 0) fd = inotify_init1(0);
  snprintf(path, sizeof path, "/tmp/watch%ld", n);
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return -1;
  return inotify_add_watch(fd, path, IN_ALL_EVENTS);
}

struct queue_attributes {
  long flags, most, size, now, reserved[4];
};

static int take_queue(long n) {
  char name[32];
  struct queue_attributes attributes = {.most = 10, .size = 8192};
  snprintf(name, sizeof name, "cloister%ld", n);
  syscall(SYS_mq_unlink, name);
  int fd = syscall(SYS_mq_open, name, O_CREAT | O_RDWR, 0600, &attributes);
  if (fd >= 0) syscall(SYS_mq_unlink, name);
  return fd;
}

static int take_signal(long n) {
  (void)n;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return sigqueue(getpid(), SIGRTMIN, (union sigval){0});
}

static int take_timer(long n) {
  (void)n;
  timer_t timer;
  return timer_create(CLOCK_MONOTONIC, NULL, &timer);
}

static int take_key(long n) {
  char name[32];
  snprintf(name, sizeof name, "cloister%ld", n);
  return syscall(SYS_add_key, "user", name, chunk, 64, -3 /* KEY_SPEC_SESSION_KEYRING */);
}

static int take_pipe(long n) {
  (void)n;
  int ends[2];
  if (pipe2(ends, O_NONBLOCK) != 0) return -1;
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20); /* as large as it gets: files may be few */
  while (write(ends[1], chunk, 4096) > 0) {
  }
  return 0;
}

static int take_unix(long n) {
  (void)n;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) return -1;
  while (send(ends[0], chunk, 60000, MSG_DONTWAIT) > 0) {
  }
  return 0;
}

static int loopback_socket(int type, struct sockaddr_in* at) {
  socklen_t size = sizeof *at;
  *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, type, 0);
  if (fd < 0 || bind(fd, (void*)at, size) != 0 || getsockname(fd, (void*)at, &size) != 0) return -1;
  return fd;
}

static int take_udp(long n) {
  (void)n;
  struct sockaddr_in at;
  int fd = loopback_socket(SOCK_DGRAM, &at);
  if (fd < 0) return -1;
  for (int i = 0; i < 32 && sendto(fd, chunk, 60000, MSG_DONTWAIT, (void*)&at, sizeof at) > 0; i++) {
  }
  return fd;
}

static int take_tcp(long n) {
  static struct sockaddr_in at;
  static int server = -1;
  (void)n;
  if (server < 0 && ((server = loopback_socket(SOCK_STREAM, &at)) < 0 || listen(server, 16) != 0)) return -1;
  int ends[2] = {socket(AF_INET, SOCK_STREAM, 0), -1};
  if (ends[0] < 0 || connect(ends[0], (void*)&at, sizeof at) != 0) return -1;
  if ((ends[1] = accept(server, NULL, NULL)) < 0) return -1;
  for (int i = 0; i < 2; i++) {
    while (send(ends[i], chunk, sizeof chunk, MSG_DONTWAIT) > 0) {
    }
  }
  return 0;
}

static int netlink_socket(int protocol, struct sockaddr_nl* at) {
  socklen_t size = sizeof *at;
  *at = (struct sockaddr_nl){.nl_family = AF_NETLINK};
  int fd = socket(AF_NETLINK, SOCK_RAW, protocol);
  if (fd < 0 || bind(fd, (void*)at, size) != 0 || getsockname(fd, (void*)at, &size) != 0) return -1;
  return fd;
}

/* To itself: any user may, with this protocol. */
static int take_netlink(long n) {
  (void)n;
  struct sockaddr_nl at;
  int fd = netlink_socket(NETLINK_USERSOCK, &at);
  if (fd < 0) return -1;
  *(struct nlmsghdr*)chunk = (struct nlmsghdr){.nlmsg_len = sizeof chunk, .nlmsg_type = 0x100};
  while (sendto(fd, chunk, sizeof chunk, MSG_DONTWAIT, (void*)&at, sizeof at) > 0) {
  }
  return fd;
}

/* Answers of the kernel that nobody reads. */
static int take_route(long n) {
  (void)n;
  struct sockaddr_nl at;
  int fd = netlink_socket(NETLINK_ROUTE, &at);
  struct {
    struct nlmsghdr head;
    struct ifinfomsg link;
  } ask = {{sizeof ask, RTM_GETLINK, NLM_F_REQUEST, 1, 0}, {.ifi_index = 1}};
  for (int i = 0; fd >= 0 && i < 400 && send(fd, &ask, sizeof ask, MSG_DONTWAIT) > 0; i++) {
  }
  return fd;
}

static int take_reused(long n) {
  struct sockaddr_nl at;
  return close(netlink_socket(n % 2 == 0 ? NETLINK_ROUTE : NETLINK_USERSOCK, &at));
}

static int write_file(const char* directory, long n) {
  char path[64];
  snprintf(path, sizeof path, "%s/file%ld", directory, n);
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  if (fd < 0) return -1;
  int written = 1;
  for (int i = 0; i < 16 && written > 0; i++) written = write(fd, chunk, sizeof chunk);
  int code = errno;
  close(fd);
  errno = code;
  return written > 0 ? 0 : -1;
}

static int take_disk(long n) { return write_file("/tmp", n); }
static int take_shm(long n) { return write_file("/dev/shm", n); }

static int take_inode(long n) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/inode%ld", n);
  return mknod(path, S_IFREG | 0600, 0);
}

static int take_dentry(long n) { /* names that do not exist are remembered, too */
  char path[300];
  struct stat about;
  snprintf(path, sizeof path, "/tmp/%0200ld-%d", n, getpid());
  stat(path, &about);
  return 0;
}

static int take_sysv(long n) {
  (void)n;
  int id = shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
  char* at = id < 0 ? (void*)-1 : shmat(id, NULL, 0);
  if (at == (void*)-1) return -1;
  memset(at, 1, 1 << 20);
  return shmdt(at);
}

static int take_memfd(long n) {
  (void)n;
  int fd = memfd_create("x", 0);
  for (int i = 0; i < 16; i++) {
    if (write(fd, chunk, sizeof chunk) < 0) return -1;
  }
  return fd;
}

static const struct {
  const char* name;
  int (*take)(long);
} kinds[] = {
    {"file", take_file},   {"inotify", take_inotify}, {"watch", take_watch},   {"terminal", take_terminal},
    {"queue", take_queue}, {"signal", take_signal},   {"timer", take_timer},   {"key", take_key},
    {"pipe", take_pipe},   {"unix", take_unix},       {"udp", take_udp},       {"tcp", take_tcp},
    {"disk", take_disk},   {"shm", take_shm},         {"inode", take_inode},   {"dentry", take_dentry},
    {"sysv", take_sysv},   {"memfd", take_memfd},
    {"netlink", take_netlink}, {"route", take_route}, {"reused", take_reused},
};

int main(int argc, char** argv) {
  int (*take)(long) = NULL;
  for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(kinds[i].name, argv[1]) == 0) take = kinds[i].take;
  }
  if (take == NULL || argc < 3) return 2;
  const long most = atol(argv[2]);
  for (int i = argc > 3 ? atoi(argv[3]) : 1; i > 1; i--) {
    if (fork() == 0) break;
  }
  long n = 0;
  errno = 0;
  while (n < most && take(n) >= 0) n++;
  printf("%ld %d\n", n, n < most ? errno : 0);
  fflush(stdout);
  if (argc > 3) pause();
  return 0;
}
