// The application's cgroup directories, handed over so that they go when it is killed.
#pragma once

#include "../kernel/bytes.h"
#include "../kernel/message.h"
#include "../kernel/unique_fd.h"

namespace cloister {

class AdoptedCgroups {
 public:
  // Descriptors of one directory per hierarchy, and for each the path below it, `library/owner`, that is ours to remove: told
  // before that is made, so that no moment is left in which nobody would, and once more afterwards. Then
  // this process and all its children go there: a sandbox sees where its init is, which is not to be where the application is.
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

  // v1 only; on v2 a group that has others below holds no process, and every init is cloned into its own.
  static void Move(int directory);
  bool Knows(int base, const char* path) const;
  void Keep(UniqueFd base, const char* path);
  static bool Remove(const Directory& directory);

  Directory directories_[kMax];
  unsigned count_ = 0;
};

}  // namespace cloister
