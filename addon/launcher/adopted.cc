#include "adopted.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

namespace cloister {
namespace {

constexpr int kAttempts = 50;  // processes that were just killed leave their cgroup a moment later

// cgroupfs allows no files of ours in there: only directories have to go, leaves first.
bool Empty(int parent) {
  bool empty = true;
  DIR* list = fdopendir(fcntl(parent, F_DUPFD_CLOEXEC, 3));
  if (list == nullptr) return false;
  rewinddir(list);
  while (const dirent* entry = readdir(list)) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const UniqueFd child(openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (child.valid()) Empty(child.get());
    if (unlinkat(parent, entry->d_name, AT_REMOVEDIR) != 0) empty = false;
  }
  closedir(list);
  return empty;
}

}  // namespace

void AdoptedCgroups::Add(Message& message) {
  for (uint32_t i = 0; i < message.fd_count && count_ < kMax; i++) {
    directories_[count_++] = static_cast<UniqueFd&&>(message.fds[i]);
  }
}

void AdoptedCgroups::Remove() {
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    bool all = true;
    for (unsigned i = 0; i < count_; i++) all = Empty(directories_[i].get()) && all;
    if (all) return;
    const timespec pause = {0, 10000000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace cloister
