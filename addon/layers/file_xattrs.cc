#include "file_xattrs.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include <algorithm>
#include <memory>

#include "acl.h"
#include "fault.h"
#include "file_capability.h"

namespace cloister::layers {
namespace {

constexpr size_t kMaxBytes = size_t{64} * 1024;  // of all names, and of a value, xattr(7)

Error Refused(const char* call, std::string_view path) { return LastError(call, Printable(path, 150).c_str()); }

Error Unmapped(std::string_view path) {
  const std::string subject = Printable(path, 100) + ": an id that is none inside";
  return {"user_namespaces(7)", EOVERFLOW, subject.c_str()};
}

Error Damaged(std::string_view path, const char* what) {
  const std::string subject = Printable(path, 100) + ": " + what;
  return {"getxattr(2)", EINVAL, subject.c_str()};
}

Status AclToInside(const IdMap& uids, const IdMap& gids, std::string_view path, std::string& value) {
  std::vector<AclEntry> entries;
  if (!ParseAcl(value, entries)) return Damaged(path, "its access list is none");
  for (AclEntry& entry : entries) {
    if (entry.tag != AclEntry::kUser && entry.tag != AclEntry::kGroup) continue;
    const auto id = InsideId(entry.tag == AclEntry::kUser ? uids : gids, entry.id);
    if (!id.has_value()) return Unmapped(path);
    entry.id = *id;
  }
  value = EncodeAcl(entries);
  return Done{};
}

// A program in a user namespace can only set capabilities that count for a root user of its own: version 3.
Status CapabilityToInside(const IdMap& uids, std::string_view path, std::string& value) {
  CapabilityOwner owner;
  if (!ParseCapability(value, owner)) return Damaged(path, "its capabilities are none");
  if (!owner.is_namespaced) return Done{};
  const auto root = InsideId(uids, owner.root);
  if (!root.has_value()) return Unmapped(path);
  value = CapabilityFor(value, *root);
  return Done{};
}

}  // namespace

const std::string* FindXattr(const Xattrs& xattrs, std::string_view name) {
  for (const auto& [each, value] : xattrs) {
    if (each == name) return &value;
  }
  return nullptr;
}

Result<Xattrs> ReadXattrs(int fd, std::string_view path) {
  // The calls that take a descriptor refuse one of O_PATH; this link leads to the file itself, proc(5).
  char file[32];
  snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
  const std::unique_ptr<char[]> names(new char[kMaxBytes]);
  Xattrs xattrs;
  const ssize_t size = listxattr(file, names.get(), kMaxBytes);
  if (size < 0 && errno == EOPNOTSUPP) return Result<Xattrs>(std::move(xattrs));
  if (size < 0) return Refused("listxattr(2)", path);
  if (size == 0) return Result<Xattrs>(std::move(xattrs));
  const std::unique_ptr<char[]> value(new char[kMaxBytes]);
  for (const char* name = names.get(); name < names.get() + size; name += strlen(name) + 1) {
    const ssize_t length = getxattr(file, name, value.get(), kMaxBytes);
    // Removed meanwhile, or one that the list shows and nobody may read.
    if (length < 0 && (errno == ENODATA || errno == EOPNOTSUPP)) continue;
    if (length < 0) return Refused("getxattr(2)", path);
    xattrs.emplace_back(name, std::string(value.get(), static_cast<size_t>(length)));
  }
  std::sort(xattrs.begin(), xattrs.end());
  return Result<Xattrs>(std::move(xattrs));
}

Status ToInside(const IdMap& uids, const IdMap& gids, std::string_view path, Xattrs& xattrs) {
  std::erase_if(xattrs, [](const auto& xattr) { return !IsXattrAllowed(xattr.first); });
  for (auto& [name, value] : xattrs) {
    if (name == kAccessAclName || name == kDefaultAclName) CLOISTER_TRY(AclToInside(uids, gids, path, value));
    if (name == kCapabilityName) CLOISTER_TRY(CapabilityToInside(uids, path, value));
  }
  return Done{};
}

}  // namespace cloister::layers
