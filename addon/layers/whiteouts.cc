#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "remove_tree.h"
#include "unpacker.h"

namespace cloister::layers {
namespace {

constexpr const char* kOpaqueXattr = "trusted.overlay.opaque";

bool IsWhiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0); }

}  // namespace

Status Unpacker::Whiteout(Directory& parent, std::string_view name) {
  return options_.whiteouts == Whiteouts::kOverlay ? MarkWhiteout(parent, name) : ApplyWhiteout(parent, name);
}

// https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
Status Unpacker::MarkWhiteout(Directory& parent, std::string_view name) {
  CLOISTER_TRY(Settle(parent, name));
  Directory* const own = DirectoryTree::Child(parent, name);
  if (own != nullptr && own->touched) {
    own->opaque = true;
    return Done{};
  }
  // It only holds whiteouts.
  if (own != nullptr) CLOISTER_TRY(Clear(parent, name));
  CLOISTER_ASSIGN(open, tree_.Open(parent));
  const std::string text(name);
  if (mknodat(open->fd.get(), text.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
    // The layer has a file of this name, which hides the lower one as well.
    return errno == EEXIST ? Status() : Refused("mknodat(2)", parent, name);
  }
  seen_[KeyOf(parent, name)] = {};
  CLOISTER_TRY(Hold(text.size()));
  parent.whiteouts.push_back(text);
  return Done{};
}

Status Unpacker::ApplyWhiteout(Directory& parent, std::string_view name) {
  Directory* const own = DirectoryTree::Child(parent, name);
  if (own != nullptr && own->touched) return RemoveUntouched(*own);
  CLOISTER_TRY(WaitForAll());
  if (own == nullptr && seen_.contains(KeyOf(parent, name))) return Done{};
  return Clear(parent, name);
}

Status Unpacker::Opaque(Directory& directory) {
  if (options_.whiteouts == Whiteouts::kApply) return RemoveUntouched(directory);
  directory.opaque = true;
  return Done{};
}

// Once for each directory: an archive may ask for it as often as it likes.
Status Unpacker::RemoveUntouched(Directory& directory) {
  if (directory.cleared) return Done{};
  CLOISTER_TRY(WaitForAll());
  std::vector<Directory*> more = {&directory};
  while (!more.empty()) {
    Directory* const at = more.back();
    more.pop_back();
    CLOISTER_TRY(RemoveUntouchedIn(*at, more));
    at->cleared = true;
  }
  return Done{};
}

Status Unpacker::RemoveUntouchedIn(Directory& directory, std::vector<Directory*>& more) {
  CLOISTER_ASSIGN(open, tree_.Open(directory));
  const int fd = openat(open->fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const stream = fd < 0 ? nullptr : fdopendir(fd);
  if (stream == nullptr) return Refused("openat(2)", directory, {});
  std::vector<std::string> names;
  while (const struct dirent* entry = readdir(stream)) names.emplace_back(entry->d_name);
  closedir(stream);
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    Directory* const child = DirectoryTree::Child(directory, name);
    if (child != nullptr && child->touched) {
      if (!child->cleared) more.push_back(child);
    } else if (child != nullptr || !seen_.contains(KeyOf(directory, name))) {
      CLOISTER_TRY(Clear(directory, name));
    }
  }
  return Done{};
}

// Overlayfs does not look for whiteouts where nothing is merged, and lists them.
Status Unpacker::DropWhiteouts(Directory& directory) {
  if (directory.whiteouts.empty()) return Done{};
  CLOISTER_ASSIGN(open, tree_.Open(directory));
  for (const std::string& name : directory.whiteouts) {
    struct stat info;
    if (fstatat(open->fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !IsWhiteout(info)) continue;
    if (unlinkat(open->fd.get(), name.c_str(), 0) != 0) return Refused("unlinkat(2)", directory, name);
  }
  return Done{};
}

Status Unpacker::FinishDirectory(Directory& directory) {
  const bool restores_time = directory.attributes == nullptr && directory.existed;
  CLOISTER_ASSIGN(open, tree_.Open(directory));
  const int fd = open->fd.get();
  if (restores_time) {
    const struct timespec times[2] = {{0, UTIME_OMIT}, directory.mtime_before};
    if (futimens(fd, times) != 0) return Refused("futimens(3)", directory, {});
  } else if (directory.attributes != nullptr) {
    const std::string path = DirectoryTree::PathOf(directory);
    const bool has_others = directory.existed || directory.may_have_acl;
    CLOISTER_TRY(attributes_.ToDirectory(fd, *directory.attributes, has_others, path));
  }
  if (directory.opaque && fsetxattr(fd, kOpaqueXattr, "y", 1, 0) != 0) return Refused("fsetxattr(2)", directory, {});
  return Done{};
}

Status Unpacker::FinishDirectories() {
  struct Visit {
    Directory* directory;
    bool inside_opaque;
  };
  std::vector<Visit> ahead = {{&tree_.root(), false}};
  while (!ahead.empty()) {
    const Visit visit = ahead.back();
    ahead.pop_back();
    Directory& directory = *visit.directory;
    const bool inside_opaque = visit.inside_opaque || directory.opaque;
    if (inside_opaque) CLOISTER_TRY(DropWhiteouts(directory));
    CLOISTER_TRY(FinishDirectory(directory));
    for (auto& [name, child] : directory.children) ahead.push_back({child.get(), inside_opaque});
  }
  return Done{};
}

}  // namespace cloister::layers
