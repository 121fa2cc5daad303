// The directories of a layer that is being unpacked, as far as its entries led into them. Each is known by its place in this
// tree and reached from the one above by a single name that may be no link and no mount, openat2(2): whatever else changes the
// file system meanwhile, no path leads out. Descriptors are kept for the directories used last.
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../kernel/result.h"
#include "../kernel/unique_fd.h"
#include "attributes.h"
#include "name_hash.h"

namespace cloister::layers {

// Deeper than what PATH_MAX lets a program reach by one path that has names to speak of.
inline constexpr uint32_t kMaxDepth = 1024;

// An open directory; jobs of other threads share it.
struct OpenDirectory {
  UniqueFd fd;
  Birth birth;  // what new files in it get of their own accord
};

struct Directory {
  Directory* parent = nullptr;
  std::string name;
  uint64_t id = 0;  // never used again, also not for a later directory of the same path
  uint32_t depth = 0;
  std::unordered_map<std::string, std::unique_ptr<Directory>, NameHash, std::equal_to<>> children;

  bool existed = false;       // before this layer
  bool touched = false;       // this layer has an entry at it or below it
  bool opaque = false;        // hides what lower layers have in it
  bool cleared = false;       // nothing of lower layers is in it any more
  bool may_have_acl = false;  // made below a directory that hands one on
  struct timespec mtime_before = {};
  std::unique_ptr<Attributes> attributes;  // of its own entry, set when nothing in it changes any more
  std::vector<std::string> whiteouts;      // names of the whiteouts that were made in it

  std::shared_ptr<OpenDirectory> open;
  std::list<Directory*>::iterator recent;
};

class DirectoryTree {
 public:
  DirectoryTree() = default;
  DirectoryTree(const DirectoryTree&) = delete;
  DirectoryTree& operator=(const DirectoryTree&) = delete;

  // `fd` stays the caller's. `mode_is_exact`: threads that create files have no umask.
  Status SetRoot(int fd, bool mode_is_exact);
  Directory& root() { return root_; }

  static Directory* Child(Directory& directory, std::string_view name);
  // Takes note of a directory that is there; null when it is too deep.
  Directory* Add(Directory& parent, std::string_view name, bool existed, const struct timespec& mtime);
  // Forgets a directory that is gone, and all below it.
  void Erase(Directory& directory);

  Result<std::shared_ptr<OpenDirectory>> Open(Directory& directory);
  // Its path in the layer, for messages.
  static std::string PathOf(const Directory& directory, std::string_view name = {});

 private:
  Result<std::shared_ptr<OpenDirectory>> OpenBelow(const OpenDirectory& parent, const Directory& directory) const;
  void Remember(Directory& directory, std::shared_ptr<OpenDirectory> open);
  void Close(Directory& directory);

  Directory root_;
  uint64_t last_id_ = 0;
  bool mode_is_exact_ = false;
  std::list<Directory*> recent_;  // open ones but the root, the last used first
};

}  // namespace cloister::layers
