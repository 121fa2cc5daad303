#include "clone.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>

#include "../kernel/syscalls.h"

namespace cloister {
namespace {

constexpr int kSame = -1;

// Changes the effective user alone, which takes the effective capabilities; those that are permitted come back at once, capabilities(7).
bool ActAs(uint32_t user) {
  if (syscall(SYS_setresuid, kSame, user, kSame) != 0) return false;
  __user_cap_header_struct header = {};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return true;
  for (__user_cap_data_struct& half : data) half.effective = half.permitted;
  syscall(SYS_capset, &header, data);
  return true;
}

}  // namespace

uint64_t CloneFlags(uint64_t namespaces) { return namespaces & ~static_cast<uint64_t>(CLONE_NEWCGROUP); }

uint32_t RootOutside(const Array<IdMapEntry>& map) {
  for (const IdMapEntry& entry : map) {
    if (entry.inside == 0) return entry.outside;
  }
  return 0;
}

long CloneOwnedBy(uint32_t owner, struct clone_args* args) {
  const uid_t self = geteuid();
  const bool acts = owner != 0 && (args->flags & CLONE_NEWUSER) != 0 && ActAs(owner);
  const long pid = sys::Clone3(args);
  if (pid == 0 || !acts) return pid;
  const int code = errno;
  if (!ActAs(self)) abort();  // the real user is still the same: this is never refused, setresuid(2)
  errno = code;
  return pid;
}

}  // namespace cloister
