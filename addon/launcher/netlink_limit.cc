#include "netlink_limit.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "../kernel/syscalls.h"

namespace cloister {
namespace {

struct Call {
  uint32_t architecture;
  uint32_t number;
  uint32_t first_argument;
};

constexpr uint32_t kSocketOfSocketcall =
    1;  // its family is in memory: any socket that comes this way counts, socketcall(2)

constexpr Call kCalls[] = {
    {AUDIT_ARCH_X86_64, 41, AF_NETLINK},        {AUDIT_ARCH_X86_64, 0x40000000 | 41, AF_NETLINK},
    {AUDIT_ARCH_I386, 359, AF_NETLINK},         {AUDIT_ARCH_I386, 102, kSocketOfSocketcall},
    {AUDIT_ARCH_AARCH64, 198, AF_NETLINK},      {AUDIT_ARCH_ARM, 281, AF_NETLINK},
    {AUDIT_ARCH_ARM, 102, kSocketOfSocketcall},
};
constexpr unsigned kBlock = 7;  // instructions for each
constexpr unsigned kCount = sizeof kCalls / sizeof kCalls[0];

Result<UniqueFd> Listen() {
  sock_filter code[kCount * kBlock + 1];
  unsigned at = 0;
  for (const Call& call : kCalls) {
    code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
    code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.architecture, 0, 5);
    code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 3);
    // The lower half: the kernel looks at no more, and both processors are little-endian.
    code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args));
    code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.first_argument, 0, 1);
    code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  }
  code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  sock_fprog program = {};
  program.len = static_cast<unsigned short>(at);
  program.filter = code;
  const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) return LastError("seccomp(2)", "netlink limit");
  return Result<UniqueFd>(UniqueFd(static_cast<int>(fd)));
}

// Open netlink sockets of the network namespace; -1 when the kernel's list cannot be read.
int CountSockets() {
  const UniqueFd list(open("/proc/self/net/netlink", O_RDONLY | O_CLOEXEC));
  struct statfs about;
  // What stands at the path may be anything where commands may mount.
  if (!list.valid() || fstatfs(list.get(), &about) != 0 || about.f_type != PROC_SUPER_MAGIC) return -1;
  int lines = -1;  // of which the first is the heading
  char text[4096];
  for (ssize_t n; (n = read(list.get(), text, sizeof text)) != 0;) {
    if (n < 0) return -1;
    for (ssize_t i = 0; i < n; i++) lines += text[i] == '\n' ? 1 : 0;
  }
  return lines;
}

}  // namespace

Status NetlinkLimit::Install(bool shared) {
  Result<UniqueFd> listener = Listen();
  // The application runs below such a listener itself, and the kernel allows one only: then it is that one's to count.
  if (!listener.ok()) return listener.error().code == EBUSY ? Status() : Status(listener.error());
  listener_ = static_cast<UniqueFd&&>(listener.value());
  if (shared) others_ = CountSockets();
  return {};
}

bool NetlinkLimit::Grants() {
  if (granted_ >= kMost) {
    const int open_now = CountSockets();
    if (open_now < 0) return false;
    granted_ = open_now > others_ ? open_now - others_ : 0;
  }
  if (granted_ >= kMost) return false;
  granted_++;
  return true;
}

void NetlinkLimit::Answer() {
  // Larger than today's structures: the kernel may have grown them, and wants what it knows to be zero.
  alignas(seccomp_notif) uint8_t request_bytes[512] = {};
  alignas(seccomp_notif_resp) uint8_t response_bytes[512] = {};
  auto* request = reinterpret_cast<seccomp_notif*>(request_bytes);
  auto* response = reinterpret_cast<seccomp_notif_resp*>(response_bytes);
  if (ioctl(listener_.get(), static_cast<int>(SECCOMP_IOCTL_NOTIF_RECV), request) != 0) return;
  response->id = request->id;
  if (Grants()) {
    response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  } else {
    response->error = -ENOBUFS;
  }
  // Refused for a process that was killed meanwhile.
  if (ioctl(listener_.get(), static_cast<int>(SECCOMP_IOCTL_NOTIF_SEND), response) != 0) return;
}

}  // namespace cloister
