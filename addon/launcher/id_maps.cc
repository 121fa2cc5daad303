#include "id_maps.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kernel/syscalls.h"

namespace cloister {
namespace {

Status WriteMap(int proc_fd, pid_t pid, const char* file, const Array<IdMapEntry>& entries) {
  char text[4096];
  size_t length = 0;
  for (const IdMapEntry& e : entries) {
    const int n = snprintf(text + length, sizeof text - length, "%u %u %u\n", e.inside, e.outside, e.count);
    if (n < 0 || length + static_cast<size_t>(n) >= sizeof text) return Error("write(2)", E2BIG, file);
    length += static_cast<size_t>(n);
  }
  char path[64];
  snprintf(path, sizeof path, "%d/%s", pid, file);
  const UniqueFd fd(openat(proc_fd, path, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return LastError("open(2)", file);
  if (write(fd.get(), text, length) != static_cast<ssize_t>(length)) return LastError("write(2)", file);
  return {};
}

// The namespace outlives the process that was born into it.
Result<UniqueFd> MakeNamespace(int proc_fd, const Array<IdMapEntry>& uids, const Array<IdMapEntry>& gids) {
  struct clone_args args = {};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = SIGCHLD;
  const long pid = sys::Clone3(&args);
  if (pid < 0) return LastError("clone3(2)", "CLONE_NEWUSER");
  if (pid == 0) {
    for (;;) pause();
  }
  const Status maps = WriteIdMaps(proc_fd, static_cast<pid_t>(pid), uids, gids);
  char path[64];
  snprintf(path, sizeof path, "%ld/ns/user", pid);
  UniqueFd fd(openat(proc_fd, path, O_RDONLY | O_CLOEXEC));
  const Error failed = LastError("open(2)", "ns/user");
  kill(static_cast<pid_t>(pid), SIGKILL);
  waitpid(static_cast<pid_t>(pid), nullptr, 0);
  if (!maps.ok()) return maps.error();
  if (!fd.valid()) return failed;
  return Result<UniqueFd>(static_cast<UniqueFd&&>(fd));
}

}  // namespace

Status WriteIdMaps(int proc_fd, pid_t pid, const Array<IdMapEntry>& uids, const Array<IdMapEntry>& gids) {
  CLOISTER_TRY(WriteMap(proc_fd, pid, "gid_map", gids));
  return WriteMap(proc_fd, pid, "uid_map", uids);
}

Result<int> IdMapCache::Get(int proc_fd, const Array<IdMapEntry>& uids, const Array<IdMapEntry>& gids) {
  uint8_t key[kKeyBytes];
  const size_t uid_bytes = uids.size * sizeof(IdMapEntry);
  const size_t gid_bytes = gids.size * sizeof(IdMapEntry);
  if (uid_bytes + gid_bytes + sizeof uids.size > sizeof key) {
    CLOISTER_ASSIGN(made, MakeNamespace(proc_fd, uids, gids));
    uncached_ = static_cast<UniqueFd&&>(made);
    return Result<int>(uncached_.get());
  }
  memcpy(key, &uids.size, sizeof uids.size);
  // An empty list has no memory, which memcpy(3) may not be given.
  if (uid_bytes > 0) memcpy(key + sizeof uids.size, uids.data, uid_bytes);
  if (gid_bytes > 0) memcpy(key + sizeof uids.size + uid_bytes, gids.data, gid_bytes);
  const size_t key_size = sizeof uids.size + uid_bytes + gid_bytes;
  for (Slot& slot : slots_) {
    if (slot.fd.valid() && slot.key_size == key_size && memcmp(slot.key, key, key_size) == 0) {
      return Result<int>(slot.fd.get());
    }
  }
  CLOISTER_ASSIGN(made, MakeNamespace(proc_fd, uids, gids));
  Slot& slot = slots_[next_++ % kSlots];
  memcpy(slot.key, key, key_size);
  slot.key_size = key_size;
  slot.fd = static_cast<UniqueFd&&>(made);
  return Result<int>(slot.fd.get());
}

}  // namespace cloister
