// Walks a tree that somebody else may be changing, and never leaves it: every name is opened once, below a directory that is
// held open, without following links or entering mounts, openat2(2). What was opened is what is looked at.
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "../kernel/result.h"
#include "../kernel/unique_fd.h"

namespace cloister::layers {

struct WalkEntry {
  std::string path;  // from the tree's root, without a slash in front; empty for the root itself
  std::string name;
  int fd = -1;  // of the entry itself, O_PATH; a link is not followed
  struct stat about = {};
  bool is_mount = false;  // something is mounted over it: `fd` is what is below, and it is not entered
};

enum class Next { kEnter, kSkip };

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // In order of names by bytes, a directory before what is in it. Whether to go into a directory.
  virtual Result<Next> Visit(const WalkEntry& entry) = 0;
};

// `root` stays the caller's. ELOOP below 1,024 directories: what is deeper has no path that programs can use.
Status WalkTree(int root, TreeVisitor& visitor);

}  // namespace cloister::layers
