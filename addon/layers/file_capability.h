// The attribute `security.capability`, capabilities(7), "File capability extended attribute versioning".
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>

namespace cloister::layers {

inline constexpr std::string_view kCapabilityName = "security.capability";

// Of version 3: the outside id of the root user it counts for; version 2 counts for the real one.
struct CapabilityOwner {
  bool is_namespaced = false;
  uint32_t root = 0;
};

// False for what the kernel would not take.
bool ParseCapability(std::string_view value, CapabilityOwner& owner);

// The same capabilities of version 2, as layers have them, or of version 3 for the root user `root`.
std::string CapabilityFor(std::string_view value, uint32_t root);

}  // namespace cloister::layers
