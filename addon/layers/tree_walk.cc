#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include <algorithm>
#include <memory>

#include "../kernel/syscalls.h"
#include "fault.h"

namespace cloister::layers {
namespace {

constexpr size_t kMaxDepth = 1024;
// Descriptors are kept for the lowest directories; the others are found again on the way back.
constexpr size_t kMaxOpen = 64;
constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

// getdents64(2).
struct DirectoryEntry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

Error Refused(const char* call, const std::string& path) { return LastError(call, Printable(path, 150).c_str()); }

Result<std::vector<std::string>> SortedNames(int fd, const std::string& path) {
  constexpr size_t kBytes = size_t{32} * 1024;
  const std::unique_ptr<char[]> buffer(new char[kBytes]);
  std::vector<std::string> names;
  for (;;) {
    const long size = syscall(SYS_getdents64, fd, buffer.get(), kBytes);
    if (size < 0) return Refused("getdents64(2)", path);
    if (size == 0) break;
    for (long at = 0; at < size;) {
      const char* const record = buffer.get() + at;
      uint16_t length;
      memcpy(&length, record + offsetof(DirectoryEntry, length), sizeof length);
      const std::string_view name = record + offsetof(DirectoryEntry, name);
      if (name != "." && name != "..") names.emplace_back(name);
      at += length;
    }
  }
  std::sort(names.begin(), names.end());
  return Result<std::vector<std::string>>(std::move(names));
}

struct Level {
  UniqueFd fd;
  dev_t device = 0;
  ino_t inode = 0;
  std::vector<std::string> names;
  size_t next = 0;
  size_t path_length = 0;  // of the directory itself
};

class Walk {
 public:
  explicit Walk(TreeVisitor& visitor) : visitor_(visitor) {}

  Status Run(int root) {
    WalkEntry entry;
    const UniqueFd self(openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!self.valid()) return LastError("openat(2)", "the tree's root");
    CLOISTER_TRY(Look(self.get(), entry));
    CLOISTER_TRY(VisitAndEnter(entry));
    while (!levels_.empty()) {
      Level& level = levels_.back();
      path_.resize(level.path_length);
      if (level.next == level.names.size()) {
        CLOISTER_TRY(Leave());
      } else {
        CLOISTER_TRY(One(level.names[level.next++]));
      }
    }
    return Done{};
  }

 private:
  Status Look(int fd, WalkEntry& entry) {
    entry.fd = fd;
    if (fstat(fd, &entry.about) != 0) return Refused("fstat(2)", path_);
    return Done{};
  }

  Status One(const std::string& name) {
    const int directory = levels_.back().fd.get();
    WalkEntry entry;
    entry.name = name;
    path_ += path_.empty() ? name : '/' + name;
    entry.path = path_;
    UniqueFd fd(sys::OpenAt2(directory, name.c_str(), O_PATH | O_NOFOLLOW, 0, kResolve | RESOLVE_NO_XDEV));
    if (!fd.valid() && errno == EXDEV) {
      entry.is_mount = true;
      fd.reset(sys::OpenAt2(directory, name.c_str(), O_PATH | O_NOFOLLOW, 0, kResolve));
    }
    // It was there a moment ago.
    if (!fd.valid() && errno == ENOENT) return Error("openat2(2)", ESTALE, Printable(path_, 150).c_str());
    if (!fd.valid()) return Refused("openat2(2)", path_);
    CLOISTER_TRY(Look(fd.get(), entry));
    return VisitAndEnter(entry);
  }

  Status VisitAndEnter(const WalkEntry& entry) {
    CLOISTER_ASSIGN(next, visitor_.Visit(entry));
    if (next == Next::kSkip || !S_ISDIR(entry.about.st_mode) || entry.is_mount) return Done{};
    if (levels_.size() > kMaxDepth) return Error("openat2(2)", ELOOP, Printable(path_, 150).c_str());
    Level level;
    level.fd.reset(openat(entry.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!level.fd.valid()) return Refused("openat(2)", path_);
    level.device = entry.about.st_dev;
    level.inode = entry.about.st_ino;
    level.path_length = path_.size();
    CLOISTER_ASSIGN(names, SortedNames(level.fd.get(), path_));
    level.names = std::move(names);
    levels_.push_back(std::move(level));
    if (levels_.size() > kMaxOpen) levels_[levels_.size() - kMaxOpen - 1].fd.reset();
    return Done{};
  }

  Status Leave() {
    const UniqueFd below = std::move(levels_.back().fd);
    levels_.pop_back();
    if (levels_.empty() || levels_.back().fd.valid()) return Done{};
    Level& level = levels_.back();
    level.fd.reset(openat(below.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!level.fd.valid()) return Refused("openat(2)", path_);
    struct stat about;
    if (fstat(level.fd.get(), &about) != 0) return Refused("fstat(2)", path_);
    // The directory was moved meanwhile: ".." may lead anywhere.
    if (about.st_dev != level.device || about.st_ino != level.inode) {
      return Error("openat(2)", ESTALE, Printable(path_, 150).c_str());
    }
    return Done{};
  }

  TreeVisitor& visitor_;
  std::vector<Level> levels_;
  std::string path_;
};

}  // namespace

Status WalkTree(int root, TreeVisitor& visitor) { return Walk(visitor).Run(root); }

}  // namespace cloister::layers
