// What the application itself asks of the kernel: short calls that never block.
#pragma once

#include <stdint.h>

#include "result.h"
#include "unique_fd.h"

namespace cloister {

struct FdPair {
  UniqueFd first;
  UniqueFd second;
};

// A connected pair of SOCK_SEQPACKET sockets, both close-on-exec.
Result<FdPair> SocketPair();
enum class PipeEnd { kRead, kWrite };
// Read end first; both close-on-exec. Our end does not block.
Result<FdPair> Pipe(PipeEnd ours, int capacity_bytes);
// A detached copy of the mounts at `path`, open_tree(2). The path may pass no symbolic link: where a sandbox can write to one of its
// directories, a link would be that sandbox's choice of what another one gets (CVE-2017-1002101, CVE-2021-30465).
Result<UniqueFd> CloneMount(const char* path, bool recursive);
// A detached copy of one mount, which may be attached nowhere itself (since Linux 6.15).
Result<UniqueFd> CloneMountOf(int mount);
// A copy of a program that nobody can write to any more (CVE-2019-5736).
Result<UniqueFd> SealedCopy(const char* path);
// An open-file-description lock on the whole file; false when another process holds it, fcntl(2).
Result<bool> TryLock(int fd);
enum class LockKind { kNone, kShared, kExclusive };
// The same on a range of bytes, which need not be there. kNone gives the range back and succeeds always.
Result<bool> LockRange(int fd, LockKind kind, int64_t start, int64_t length);

}  // namespace cloister
