// What the path of an entry means, before any file system is asked.
#pragma once

#include <stddef.h>

#include <string>
#include <string_view>
#include <vector>

namespace cloister::layers {

inline constexpr size_t kMaxNameBytes = 255;  // NAME_MAX, path_resolution(7)

struct EntryPath {
  enum class Kind {
    kPlain,
    kRoot,      // the layer's own directory: "", "/", "./", "a/.."
    kWhiteout,  // ".wh.NAME": `name` is NAME, which lower layers have and this one removes
    kOpaque,    // ".wh..wh..opq": `parents` hides all that lower layers have in it
    kIgnored,   // AUFS's own files, ".wh..wh.plnk" and the like: of no meaning to anybody else
  };
  Kind kind = Kind::kPlain;
  std::vector<std::string_view> parents;
  std::string_view name;    // of kPlain and kWhiteout
  std::string_view prefix;  // the text in front of the last name: the same text means the same parents
};

// Takes "." and ".." away as they are written, without a look at links, as every engine does. The views point into `path`.
// Null on success, else what is wrong with the path; `escapes` tells a path that leaves the layer from one that makes no sense.
// Whiteouts: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const char* ParseEntryPath(std::string_view path, EntryPath& parsed, bool& escapes);

// The names of a link's target, ".." among them; what a symbolic link says, not what an archive says.
std::vector<std::string_view> SplitPath(std::string_view path);

}  // namespace cloister::layers
