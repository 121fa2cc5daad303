#include "netlink_limit.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "../kernel/syscalls.h"

namespace cloister {
namespace {

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

void NetlinkLimit::Watch(UniqueFd listener, bool shared) {
  listener_ = static_cast<UniqueFd&&>(listener);
  if (shared && listener_.valid()) others_ = CountSockets();
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
