#include "remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "../kernel/syscalls.h"
#include "../kernel/unique_fd.h"
#include "fault.h"

namespace cloister::layers {
namespace {

// Below this depth a directory is moved up instead of entered: a path of any length takes this many descriptors.
constexpr size_t kMaxOpen = 32;
// Somebody who keeps adding files is not waited for for ever.
constexpr int kMaxReadings = 100'000;
constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

struct CloseDirectory {
  void operator()(DIR* stream) const { closedir(stream); }
};
using Stream = std::unique_ptr<DIR, CloseDirectory>;

struct Level {
  std::string name;  // in the level above
  Stream stream;
  int fd() const { return dirfd(stream.get()); }
};

Error Refused(const char* call, std::string_view name) { return {call, errno, Printable(name, 150).c_str()}; }

// Makes a directory or file changeable again; true when trying once more may help.
bool ClearImmutable(int fd) {
  int flags;
  constexpr int kStops = FS_IMMUTABLE_FL | FS_APPEND_FL;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0 || (flags & kStops) == 0) return false;
  flags &= ~kStops;
  return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

// Only files and directories have such flags; a device must not be opened.
bool ClearImmutableAt(int dir, const char* name) {
  struct stat info;
  if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return false;
  const UniqueFd fd(sys::OpenAt2(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, kResolve));
  return fd.valid() && ClearImmutable(fd.get());
}

// Gives the owner of a directory without permissions a way in; root needs none.
bool MakeSearchable(int dir, const char* name) {
  const UniqueFd fd(sys::OpenAt2(dir, name, O_PATH | O_NOFOLLOW | O_DIRECTORY, 0, kResolve));
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd.get());
  return fd.valid() && chmod(path, 0700) == 0;
}

// A second try after whatever stood in the way was taken away; errno is that of the last try.
bool Unlink(int dir, const char* name, int flags) {
  if (unlinkat(dir, name, flags) == 0 || errno == ENOENT) return true;
  const int refused = errno;
  bool cleared = false;
  if (refused == EACCES) cleared = fchmod(dir, 0700) == 0;
  if (refused == EPERM) {
    cleared = ClearImmutableAt(dir, name);
    cleared |= ClearImmutable(dir);
  }
  if (cleared) return unlinkat(dir, name, flags) == 0 || errno == ENOENT;
  errno = refused;
  return false;
}

Result<Stream> OpenStream(int dir, const char* name) {
  UniqueFd fd(sys::OpenAt2(dir, name, O_RDONLY | O_DIRECTORY, 0, kResolve));
  if (!fd.valid() && errno == EACCES && MakeSearchable(dir, name)) {
    fd.reset(sys::OpenAt2(dir, name, O_RDONLY | O_DIRECTORY, 0, kResolve));
  }
  if (!fd.valid()) return Refused("openat2(2)", name);
  Stream stream(fdopendir(fd.get()));
  if (stream == nullptr) return Refused("fdopendir(3)", name);
  fd.release();
  return Result<Stream>(std::move(stream));
}

class Remover {
 public:
  Status Run(int parent_fd, const char* name);

 private:
  Status Step();
  Status Child(const char* name, bool may_be_directory);
  Status Directory(const char* name);
  Result<bool> MoveUp(const char* name);

  std::vector<Level> levels_;
  uint64_t moved_ = 0;
  int rewinds_ = 0;
};

// Takes a directory that is too deep up into the first one, which is read again when it seems to be empty. False where the
// file system does not move directories: overlayfs, those of lower layers.
Result<bool> Remover::MoveUp(const char* name) {
  char above[48];
  do {
    snprintf(above, sizeof above, ".cloister-removed-%llu", static_cast<unsigned long long>(++moved_));
    if (renameat(levels_.back().fd(), name, levels_.front().fd(), above) == 0) return Result<bool>(true);
  } while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
  if (errno == ENOENT) return Result<bool>(true);
  if (errno == EXDEV) return Result<bool>(false);
  return Refused("renameat(2)", name);
}

Status Remover::Directory(const char* name) {
  const int dir = levels_.back().fd();
  if (Unlink(dir, name, AT_REMOVEDIR)) return Done{};
  if (errno == ENOTDIR) return Done{};  // somebody put something else there; the next reading sees it
  if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES) return Refused("unlinkat(2)", name);
  if (levels_.size() >= kMaxOpen) {
    CLOISTER_ASSIGN(moved, MoveUp(name));
    if (moved) return Done{};
  }
  auto stream = OpenStream(dir, name);
  if (!stream.ok()) return stream.error().code == ENOENT ? Status() : Status(stream.error());
  levels_.push_back({name, stream.take()});
  return Done{};
}

Status Remover::Child(const char* name, bool may_be_directory) {
  if (!may_be_directory) {
    if (Unlink(levels_.back().fd(), name, 0)) return Done{};
    // Of what cannot be unlinked, directories are: EISDIR, unlink(2).
    if (errno != EISDIR) return Refused("unlinkat(2)", name);
  }
  return Directory(name);
}

// One entry of the innermost directory, or that directory itself when nothing is left in it.
Status Remover::Step() {
  Level& level = levels_.back();
  errno = 0;
  if (const struct dirent* entry = readdir(level.stream.get())) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) return Done{};
    return Child(entry->d_name, entry->d_type == DT_DIR);
  }
  if (errno != 0) return Refused("readdir(3)", level.name);
  if (levels_.size() == 1) {
    levels_.pop_back();
    return Done{};
  }
  const Level done = std::move(level);
  levels_.pop_back();
  if (Unlink(levels_.back().fd(), done.name.c_str(), AT_REMOVEDIR)) return Done{};
  // A reading may miss what was moved or added while it went on: look again from its start.
  if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) return Refused("unlinkat(2)", done.name);
  if (++rewinds_ > kMaxReadings) return Refused("unlinkat(2)", done.name);
  rewinddir(levels_.back().stream.get());
  return Done{};
}

Status Remover::Run(int parent_fd, const char* name) {
  for (int i = 0; i < kMaxReadings; i++) {
    const bool removed = Unlink(parent_fd, name, i == 0 ? 0 : AT_REMOVEDIR);
    if (removed) return Done{};
    if (errno == ENOTDIR) continue;
    if (i > 0 && errno != ENOTEMPTY && errno != EEXIST) return Refused("unlinkat(2)", name);
    if (i == 0 && errno != EISDIR) return Refused("unlinkat(2)", name);
    auto stream = OpenStream(parent_fd, name);
    if (!stream.ok()) return stream.error().code == ENOENT ? Status() : Status(stream.error());
    levels_.push_back({name, stream.take()});
    while (!levels_.empty()) CLOISTER_TRY(Step());
  }
  errno = ENOTEMPTY;
  return Refused("unlinkat(2)", name);
}

}  // namespace

Status RemoveTree(int parent_fd, const char* name) {
  const bool is_name =
      name[0] != 0 && strchr(name, '/') == nullptr && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
  if (!is_name) return Error("unlinkat(2)", EINVAL, name);
  return Remover().Run(parent_fd, name);
}

}  // namespace cloister::layers
