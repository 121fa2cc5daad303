#include "file_capability.h"

#include <string.h>

namespace cloister::layers {
namespace {

// Linux include/uapi/linux/capability.h.
constexpr uint32_t kRevisionMask = 0xFF000000;
constexpr uint32_t kRevision2 = 0x02000000;
constexpr uint32_t kRevision3 = 0x03000000;
constexpr size_t kSize2 = 20;
constexpr size_t kSize3 = 24;

uint32_t WordAt(std::string_view value, size_t offset) {
  uint32_t word;
  memcpy(&word, value.data() + offset, sizeof word);
  return word;
}

}  // namespace

bool ParseCapability(std::string_view value, CapabilityOwner& owner) {
  if (value.size() != kSize2 && value.size() != kSize3) return false;
  const uint32_t magic = WordAt(value, 0);
  owner.is_namespaced = value.size() == kSize3;
  owner.root = owner.is_namespaced ? WordAt(value, kSize2) : 0;
  // The one bit beside the revision makes the capabilities effective.
  return (magic & kRevisionMask) == (owner.is_namespaced ? kRevision3 : kRevision2) && (magic & ~kRevisionMask) <= 1;
}

std::string CapabilityFor(std::string_view value, uint32_t root) {
  std::string out(value.substr(0, kSize2));
  const uint32_t magic = (WordAt(value, 0) & ~kRevisionMask) | (root == 0 ? kRevision2 : kRevision3);
  memcpy(out.data(), &magic, sizeof magic);
  if (root != 0) out.append(reinterpret_cast<const char*>(&root), sizeof root);
  return out;
}

}  // namespace cloister::layers
