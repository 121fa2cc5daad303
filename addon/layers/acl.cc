#include "acl.h"

#include <string.h>

namespace cloister::layers {
namespace {

constexpr uint32_t kVersion = 2;
constexpr uint32_t kUndefinedId = 0xFFFFFFFF;

bool HasId(uint16_t tag) { return tag == AclEntry::kUser || tag == AclEntry::kGroup; }

// Owner, users, owning group, groups, mask, others: in this order, the mask where there are users or groups, acl(5).
bool IsValid(const std::vector<AclEntry>& entries) {
  unsigned seen = 0;
  uint16_t last = 0;
  for (const AclEntry& entry : entries) {
    const bool is_known = entry.tag != 0 && entry.tag <= AclEntry::kOther && (entry.tag & (entry.tag - 1)) == 0;
    if (!is_known || entry.permissions > 7 || entry.tag < last) return false;
    if (entry.tag == last && !HasId(entry.tag)) return false;
    if (HasId(entry.tag) && entry.id == kUndefinedId) return false;
    seen |= entry.tag;
    last = entry.tag;
  }
  constexpr unsigned kAlways = AclEntry::kOwner | AclEntry::kOwningGroup | AclEntry::kOther;
  const bool needs_mask = (seen & (AclEntry::kUser | AclEntry::kGroup)) != 0;
  return (seen & kAlways) == kAlways && (!needs_mask || (seen & AclEntry::kMask) != 0);
}

}  // namespace

bool ParseAcl(std::string_view value, std::vector<AclEntry>& entries) {
  static_assert(sizeof(AclEntry) == 8);
  uint32_t version;
  if (value.size() < sizeof version || (value.size() - sizeof version) % sizeof(AclEntry) != 0) return false;
  memcpy(&version, value.data(), sizeof version);
  entries.resize((value.size() - sizeof version) / sizeof(AclEntry));
  if (!entries.empty()) memcpy(entries.data(), value.data() + sizeof version, value.size() - sizeof version);
  return version == kVersion && IsValid(entries);
}

std::string EncodeAcl(const std::vector<AclEntry>& entries) {
  std::string value(reinterpret_cast<const char*>(&kVersion), sizeof kVersion);
  for (AclEntry entry : entries) {
    if (!HasId(entry.tag)) entry.id = kUndefinedId;
    value.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  return value;
}

uint32_t ModeOfAcl(const std::vector<AclEntry>& entries) {
  uint32_t owner = 0, group = 0, mask = 7, other = 0;
  bool has_mask = false;
  for (const AclEntry& entry : entries) {
    if (entry.tag == AclEntry::kOwner) owner = entry.permissions;
    if (entry.tag == AclEntry::kOwningGroup) group = entry.permissions;
    if (entry.tag == AclEntry::kOther) other = entry.permissions;
    if (entry.tag == AclEntry::kMask) {
      mask = entry.permissions;
      has_mask = true;
    }
  }
  return owner << 6 | (has_mask ? mask : group) << 3 | other;
}

}  // namespace cloister::layers
