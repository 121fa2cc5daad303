// The application's cgroup directories, handed over so that they go when it is killed.
#pragma once

#include "../kernel/bytes.h"
#include "../kernel/message.h"
#include "../kernel/unique_fd.h"

namespace cloister {

class AdoptedCgroups {
 public:
  // Descriptors of one directory per hierarchy, and for each the path below it, `library/owner`, that is ours to remove.
  void Add(Message& message, Arena& arena);
  // Lets go what is frozen, so that it can die.
  void ThawAll();
  void RemoveAll();

 private:
  static constexpr unsigned kMax = 32;

  struct Directory {
    UniqueFd base;
    char path[192];
  };

  static bool Remove(const Directory& directory);

  Directory directories_[kMax];
  unsigned count_ = 0;
};

}  // namespace cloister
