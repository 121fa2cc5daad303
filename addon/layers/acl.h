// POSIX access control lists as extended attributes hold them, acl(5), Linux include/uapi/linux/posix_acl_xattr.h.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

namespace cloister::layers {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";

struct AclEntry {
  enum Tag : uint16_t { kOwner = 0x01, kUser = 0x02, kOwningGroup = 0x04, kGroup = 0x08, kMask = 0x10, kOther = 0x20 };
  uint16_t tag = 0;
  uint16_t permissions = 0;  // rwx
  uint32_t id = 0;           // of kUser and kGroup
};

// False for what the kernel would not take as a list.
bool ParseAcl(std::string_view value, std::vector<AclEntry>& entries);
std::string EncodeAcl(const std::vector<AclEntry>& entries);

// The nine permission bits of a file that has this access list.
uint32_t ModeOfAcl(const std::vector<AclEntry>& entries);

}  // namespace cloister::layers
