#include "entry_path.h"

#include <algorithm>

namespace cloister::layers {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kAufsPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

const char* ParseName(std::string_view name, EntryPath& parsed) {
  parsed.name = name;
  parsed.kind = EntryPath::Kind::kPlain;
  if (!name.starts_with(kWhiteoutPrefix)) return nullptr;
  if (name == kOpaqueName) {
    parsed.kind = EntryPath::Kind::kOpaque;
    return nullptr;
  }
  if (name.starts_with(kAufsPrefix)) {
    parsed.kind = EntryPath::Kind::kIgnored;
    return nullptr;
  }
  parsed.kind = EntryPath::Kind::kWhiteout;
  parsed.name.remove_prefix(kWhiteoutPrefix.size());
  if (parsed.name.empty()) return "a whiteout of nothing";
  // ".wh.." and ".wh...", CVE-2018-15664's relatives: they would remove the directory itself, or the one above.
  if (parsed.name == "." || parsed.name == "..") return "a whiteout of a directory's own name";
  return nullptr;
}

}  // namespace

std::vector<std::string_view> SplitPath(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (!name.empty() && name != ".") names.push_back(name);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return names;
}

const char* ParseEntryPath(std::string_view path, EntryPath& parsed, bool& escapes) {
  escapes = false;
  parsed.parents.clear();
  for (const std::string_view name : SplitPath(path)) {
    if (name != "..") {
      parsed.parents.push_back(name);
    } else if (!parsed.parents.empty()) {
      parsed.parents.pop_back();
    } else if (!path.starts_with('/')) {
      // Only from "/" is ".." the same place, path_resolution(7).
      escapes = true;
      return "its path leads out of the layer";
    }
  }
  if (parsed.parents.empty()) {
    parsed.kind = EntryPath::Kind::kRoot;
    parsed.name = {};
    return nullptr;
  }
  const std::string_view last = parsed.parents.back();
  parsed.parents.pop_back();
  parsed.prefix = path.substr(0, static_cast<size_t>(last.data() - path.data()));
  for (const std::string_view name : parsed.parents) {
    if (name.starts_with(kAufsPrefix)) {
      parsed.kind = EntryPath::Kind::kIgnored;
      return nullptr;
    }
    if (name.starts_with(kWhiteoutPrefix)) return "its path leads through a whiteout";
  }
  const auto is_long = [](std::string_view name) { return name.size() > kMaxNameBytes; };
  if (is_long(last) || std::any_of(parsed.parents.begin(), parsed.parents.end(), is_long)) {
    return "a name of more than 255 bytes";
  }
  return ParseName(last, parsed);
}

}  // namespace cloister::layers
