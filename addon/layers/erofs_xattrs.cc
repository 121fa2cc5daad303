#include "erofs_xattrs.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "acl.h"
#include "erofs_format.h"
#include "file_capability.h"

namespace cloister::layers::erofs {
namespace {

struct Prefix {
  std::string_view text;
  uint8_t index;
};

// Linux fs/erofs/erofs_fs.h. An access control list has no name beyond its prefix.
constexpr std::array<Prefix, 5> kPrefixes = {{
    {"user.", 1},
    {kAccessAclName, 2},
    {kDefaultAclName, 3},
    {"trusted.", 4},
    {"security.", 6},
}};

const Prefix* PrefixOf(std::string_view name) {
  for (const Prefix& prefix : kPrefixes) {
    const bool is_whole = prefix.text.back() != '.';
    if (is_whole ? name == prefix.text : name.starts_with(prefix.text)) return &prefix;
  }
  return nullptr;
}

// Kinds of attributes that files of this type do not have, xattr(7).
bool IsMisplaced(const Prefix& prefix, uint32_t type) {
  if (prefix.text == "user.") return type != S_IFREG && type != S_IFDIR;
  if (prefix.text == kAccessAclName || prefix.text == kDefaultAclName) return type == S_IFLNK;
  return false;
}

enum class Verdict { kKeep, kDrop, kRefuse };

// What setxattr(2) says to the value.
Verdict Judge(std::string_view name, std::string_view value, uint32_t type, EncodedXattrs& encoded) {
  if (name == kCapabilityName) {
    CapabilityOwner owner;
    return ParseCapability(value, owner) ? Verdict::kKeep : Verdict::kRefuse;
  }
  if (name != kAccessAclName && name != kDefaultAclName) return Verdict::kKeep;
  constexpr std::string_view kEmptyAcl("\2\0\0\0", 4);
  if (value == kEmptyAcl) return Verdict::kDrop;
  std::vector<AclEntry> entries;
  if (!ParseAcl(value, entries) || (name == kDefaultAclName && type != S_IFDIR)) return Verdict::kRefuse;
  if (name == kAccessAclName) {
    encoded.has_mode = true;
    encoded.mode = ModeOfAcl(entries);
  }
  return Verdict::kKeep;
}

void Append(const Prefix& prefix, std::string_view name, std::string_view value, std::string& set) {
  const XattrEntry head = {static_cast<uint8_t>(name.size()), prefix.index, static_cast<uint16_t>(value.size())};
  set.append(reinterpret_cast<const char*>(&head), sizeof head);
  set += name;
  set += value;
  set.resize(RoundUp<size_t>(set.size(), 4));
}

}  // namespace

const char* EncodeXattrs(const Xattrs& xattrs, uint32_t type, EncodedXattrs& encoded) {
  std::vector<const Xattrs::value_type*> sorted;
  for (const auto& xattr : xattrs) sorted.push_back(&xattr);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->first < b->first; });

  for (const auto* xattr : sorted) {
    const auto& [name, value] = *xattr;
    const Prefix* prefix = PrefixOf(name);
    if (!IsXattrAllowed(name) || prefix == nullptr || IsMisplaced(*prefix, type)) {
      encoded.dropped++;
      continue;
    }
    const std::string_view rest = std::string_view(name).substr(prefix->text.size());
    const bool is_named = !rest.empty() || prefix->text.back() != '.';
    if (!is_named || name.size() > kNameMax) return "the kernel takes no attribute of such a name";
    if (value.size() > UINT16_MAX) return "an extended attribute of more than 65535 bytes";
    const Verdict verdict = Judge(name, value, type, encoded);
    if (verdict == Verdict::kRefuse) return "the kernel takes no such attribute";
    if (verdict == Verdict::kKeep) Append(*prefix, rest, value, encoded.set);
  }
  // The first unit stands for the header, and there is to be room for the mark of an opaque directory.
  constexpr size_t kReserved = 16;
  return encoded.set.size() / 4 > kXattrMaxUnits - kReserved ? "more extended attributes than fit 256 KiB" : nullptr;
}

}  // namespace cloister::layers::erofs
