// User namespaces that only stand for an id mapping: mount_setattr(2) takes the mapping of an idmapped mount from one.
#pragma once

#include <sys/types.h>

#include "../kernel/plan.h"
#include "../kernel/unique_fd.h"

namespace cloister {

// Writes both maps of a process that was just cloned into a new user namespace, user_namespaces(7).
Status WriteIdMaps(int proc_fd, pid_t pid, const Array<IdMapEntry>& uids, const Array<IdMapEntry>& gids);

// Ranges are handed out again and again, so the namespace of a range is made once and kept.
class IdMapCache {
 public:
  // A namespace descriptor that stays valid until the next call.
  Result<int> Get(int proc_fd, const Array<IdMapEntry>& uids, const Array<IdMapEntry>& gids);

 private:
  static constexpr unsigned kSlots = 32;
  static constexpr unsigned kKeyBytes = 256;

  struct Slot {
    uint8_t key[kKeyBytes];
    size_t key_size = 0;
    UniqueFd fd;
  };
  Slot slots_[kSlots];
  unsigned next_ = 0;
  UniqueFd uncached_;
};

}  // namespace cloister
