#include "host_calls.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "syscalls.h"

namespace cloister {

Result<FdPair> SocketPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return LastError("socketpair(2)");
  return Result<FdPair>({UniqueFd(ends[0]), UniqueFd(ends[1])});
}

Result<FdPair> Pipe(PipeEnd ours, int capacity_bytes) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return LastError("pipe2(2)");
  FdPair pair = {UniqueFd(ends[0]), UniqueFd(ends[1])};
  // Programs open /dev/stdout again, as whoever they are inside; who may reach it at all is for /proc/PID/fd to decide, proc(5).
  if (fchmod(ends[0], 0666) != 0) return LastError("fchmod(2)", "pipe");
  // Node must never wait, not even for a peer that was handed to somebody else; the other end's owner expects to.
  if (fcntl(ends[ours == PipeEnd::kRead ? 0 : 1], F_SETFL, O_NONBLOCK) != 0) return LastError("fcntl(2) O_NONBLOCK");
  // A smaller pipe works, too: the size is a matter of speed, and may be refused above pipe-max-size, pipe(7).
  if (capacity_bytes > 0) fcntl(ends[0], F_SETPIPE_SZ, capacity_bytes);
  return Result<FdPair>(static_cast<FdPair&&>(pair));
}

Result<UniqueFd> CloneMount(const char* path, bool recursive) {
  const UniqueFd found(sys::OpenAt2(AT_FDCWD, path, O_PATH, 0, RESOLVE_NO_SYMLINKS));
  if (!found.valid()) return LastError("openat2(2)", path);
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | sys::kAtEmptyPath | (recursive ? sys::kAtRecursive : 0);
  UniqueFd fd(sys::OpenTree(found.get(), "", flags));
  if (!fd.valid()) return LastError("open_tree(2)", path);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(fd));
}

Result<UniqueFd> CloneMountOf(int mount) {
  UniqueFd fd(sys::OpenTree(mount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | sys::kAtEmptyPath));
  if (!fd.valid()) return LastError("open_tree(2)", "mount");
  return Result<UniqueFd>(static_cast<UniqueFd&&>(fd));
}

Result<UniqueFd> SealedCopy(const char* path) {
  const UniqueFd source(open(path, O_RDONLY | O_CLOEXEC));
  if (!source.valid()) return LastError("open(2)", path);
  UniqueFd copy(memfd_create("cloister-launcher", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy.valid()) return LastError("memfd_create(2)");
  char buffer[64 * 1024];
  for (ssize_t n; (n = read(source.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0 || write(copy.get(), buffer, static_cast<size_t>(n)) != n) return LastError("write(2)", path);
  }
  if (fcntl(copy.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return LastError("fcntl(2) F_ADD_SEALS", path);
  }
  return Result<UniqueFd>(static_cast<UniqueFd&&>(copy));
}

Result<bool> TryLock(int fd) { return LockRange(fd, LockKind::kExclusive, 0, 0); }

Result<bool> LockRange(int fd, LockKind kind, int64_t start, int64_t length) {
  struct flock lock = {};
  lock.l_type = kind == LockKind::kShared ? F_RDLCK : kind == LockKind::kExclusive ? F_WRLCK : F_UNLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return Result<bool>(true);
  if (errno == EAGAIN || errno == EACCES) return Result<bool>(false);
  return LastError("fcntl(2) F_OFD_SETLK");
}

}  // namespace cloister
