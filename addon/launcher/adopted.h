// The application's cgroup directories, handed over so that they go when it is killed.
#pragma once

#include "../kernel/message.h"
#include "../kernel/unique_fd.h"

namespace cloister {

class AdoptedCgroups {
 public:
  // Each descriptor is an owner's directory, one in each hierarchy: what lies below it is ours to remove.
  void Add(Message& message);
  void Remove();

 private:
  static constexpr unsigned kMax = 32;
  UniqueFd directories_[kMax];
  unsigned count_ = 0;
};

}  // namespace cloister
