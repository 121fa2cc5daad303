// What an archive makes its reader keep in memory until its end, besides a bounded amount for each entry.
#pragma once

#include <stdint.h>

#include <algorithm>

#include "attributes.h"

namespace cloister::layers {

class HeldBytes {
 public:
  static constexpr const char* kTooMany =
      "more than 256 MiB of attributes of directories, targets of links and names to keep, the limit";

  // False when there are too many.
  bool Add(uint64_t bytes) {
    held_ += std::min(bytes, kMax + 1 - held_);
    return held_ <= kMax;
  }
  bool Add(const Xattrs& xattrs) {
    uint64_t bytes = 0;
    for (const auto& [name, value] : xattrs) bytes += name.size() + value.size();
    return Add(bytes);
  }

 private:
  // A hundred times what the largest images have.
  static constexpr uint64_t kMax = uint64_t{256} * 1024 * 1024;
  uint64_t held_ = 0;
};

}  // namespace cloister::layers
