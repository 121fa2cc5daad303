#include "kill_members.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "unique_fd.h"

namespace cloister {
namespace {

constexpr unsigned kBatch = 128;

struct Held {
  pid_t pid = 0;
  UniqueFd fd;
};

// Calls `visit` with every pid of the file until it returns false.
template <class Visit>
Status ForEach(const char* file, const Visit& visit) {
  const UniqueFd fd(open(file, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return LastError("open(2)", file);
  char buffer[4096];
  pid_t pid = 0;
  for (;;) {
    const ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0) return LastError("read(2)", file);
    if (n == 0) return {};
    for (ssize_t i = 0; i < n; i++) {
      if (buffer[i] >= '0' && buffer[i] <= '9') {
        pid = pid * 10 + (buffer[i] - '0');
        continue;
      }
      // 0 is a process of another pid namespace; the caller would not survive itself.
      if (pid > 1 && pid != getpid() && !visit(pid)) return {};
      pid = 0;
    }
  }
}

// Holds the next members after `skip`.
Status Hold(const char* file, unsigned skip, Held (&held)[kBatch], unsigned& count) {
  count = 0;
  unsigned seen = 0;
  return ForEach(file, [&](pid_t pid) {
    if (seen++ < skip) return true;
    held[count].pid = pid;
    held[count].fd.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    return ++count < kBatch;
  });
}

// A pidfd whose process is dead refers to nobody, so a listed number and a signal that arrives mean the same process.
Status SignalListed(const char* file, const Held (&held)[kBatch], unsigned count) {
  Status refused;
  const Status read = ForEach(file, [&](pid_t pid) {
    for (unsigned i = 0; i < count; i++) {
      if (held[i].pid != pid || !held[i].fd.valid()) continue;
      if (syscall(SYS_pidfd_send_signal, held[i].fd.get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH) {
        refused = LastError("pidfd_send_signal(2)", file);
      }
    }
    return true;
  });
  return read.ok() ? refused : read;
}

}  // namespace

Status KillMembers(const char* procs_file) {
  Held held[kBatch];
  unsigned count = 0;
  for (unsigned skip = 0;; skip += kBatch) {
    CLOISTER_TRY(Hold(procs_file, skip, held, count));
    CLOISTER_TRY(SignalListed(procs_file, held, count));
    if (count < kBatch) return {};
  }
}

}  // namespace cloister
