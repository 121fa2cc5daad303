// From ids as the host sees them to ids as they are inside of a user namespace, user_namespaces(7).
#pragma once

#include <stdint.h>

#include <optional>
#include <vector>

namespace cloister::layers {

struct IdRange {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t count = 0;
};

// No range at all: both are the same.
using IdMap = std::vector<IdRange>;

std::optional<uint32_t> InsideId(const IdMap& map, uint32_t outside);

}  // namespace cloister::layers
