#include "erofs_xattrs.h"

#include <algorithm>
#include <array>

#include "erofs_format.h"

namespace cloister::layers::erofs {
namespace {

struct Prefix {
  std::string_view text;
  uint8_t index;
};

// Linux fs/erofs/erofs_fs.h. An access control list has no name beyond its prefix.
constexpr std::array<Prefix, 5> kPrefixes = {
    {{"user.", 1}, {"system.posix_acl_access", 2}, {"system.posix_acl_default", 3}, {"trusted.", 4}, {"security.", 6}}};

const Prefix* PrefixOf(std::string_view name) {
  for (const Prefix& prefix : kPrefixes) {
    const bool is_whole = prefix.text.back() != '.';
    if (is_whole ? name == prefix.text : name.starts_with(prefix.text)) return &prefix;
  }
  return nullptr;
}

}  // namespace

Result<std::string> EncodeXattrs(const TarEntry& entry) {
  std::vector<const std::pair<std::string, std::string>*> sorted;
  for (const auto& xattr : entry.xattrs) sorted.push_back(&xattr);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  const auto fault = [&](FaultKind kind, const char* reason) {
    return Fault(kind, entry.header_offset, entry.path, reason);
  };

  std::string out;
  for (const auto* xattr : sorted) {
    const Prefix* prefix = PrefixOf(xattr->first);
    if (prefix == nullptr) return fault(FaultKind::kUnsupported, "an extended attribute that EROFS cannot hold");
    const std::string_view name = std::string_view(xattr->first).substr(prefix->text.size());
    if (name.size() > kNameMax || xattr->second.size() > UINT16_MAX) {
      return fault(FaultKind::kLimit, "an extended attribute that is too large");
    }
    const XattrEntry head = {static_cast<uint8_t>(name.size()), prefix->index,
                             static_cast<uint16_t>(xattr->second.size())};
    out.append(reinterpret_cast<const char*>(&head), sizeof head);
    out += name;
    out += xattr->second;
    out.resize(RoundUp<size_t>(out.size(), 4));
  }
  // One unit less than there are, and room for the mark of an opaque directory.
  if (out.size() / 4 > kXattrMaxUnits - 16)
    return fault(FaultKind::kLimit, "more extended attributes than fit an inode");
  return Result<std::string>(std::move(out));
}

}  // namespace cloister::layers::erofs
