#include "directory_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include "../kernel/syscalls.h"

namespace cloister::layers {
namespace {

constexpr size_t kOpenDirectories = 64;
// What BENEATH and NO_XDEV add to O_NOFOLLOW: no name that is more than a name, and no mount that somebody put here.
constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

// A set-group-ID directory hands on its group, as each one does on a file system mounted with "grpid", and a default access
// control list takes the place of the umask: inode(7), ext4(5), acl(5).
Result<Birth> BirthIn(int fd, bool mode_is_exact) {
  struct stat info;
  if (fstat(fd, &info) != 0) return LastError("fstat(2)", "a directory of the layer");
  Birth birth;
  birth.mode_is_exact = mode_is_exact;
  birth.owner_is_ours = (info.st_mode & S_ISGID) == 0 && info.st_gid == OwnGid();
  birth.may_have_acl = fgetxattr(fd, "system.posix_acl_default", nullptr, 0) > 0;
  return Result<Birth>(static_cast<Birth&&>(birth));
}

}  // namespace

Status DirectoryTree::SetRoot(int fd, bool mode_is_exact) {
  mode_is_exact_ = mode_is_exact;
  root_.id = ++last_id_;
  root_.existed = true;
  root_.open = std::make_shared<OpenDirectory>();
  // A description of our own: the caller's may have an offset, flags, or O_PATH.
  root_.open->fd.reset(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_.open->fd.valid()) return LastError("openat(2)", "the layer's directory");
  struct stat info;
  if (fstat(root_.open->fd.get(), &info) != 0) return LastError("fstat(2)", "the layer's directory");
  root_.mtime_before = info.st_mtim;
  CLOISTER_ASSIGN(birth, BirthIn(root_.open->fd.get(), mode_is_exact));
  root_.open->birth = birth;
  return Done{};
}

Directory* DirectoryTree::Child(Directory& directory, std::string_view name) {
  const auto found = directory.children.find(name);
  return found == directory.children.end() ? nullptr : found->second.get();
}

Directory* DirectoryTree::Add(Directory& parent, std::string_view name, bool existed, const struct timespec& mtime) {
  if (parent.depth >= kMaxDepth) return nullptr;
  auto directory = std::make_unique<Directory>();
  directory->parent = &parent;
  directory->name = name;
  directory->id = ++last_id_;
  directory->depth = parent.depth + 1;
  directory->existed = existed;
  directory->mtime_before = mtime;
  Directory* const added = directory.get();
  parent.children.insert_or_assign(directory->name, std::move(directory));
  return added;
}

void DirectoryTree::Erase(Directory& directory) {
  // Depth is bounded, and so is this recursion.
  while (!directory.children.empty()) Erase(*directory.children.begin()->second);
  Close(directory);
  if (directory.parent != nullptr) {
    const std::string name = std::move(directory.name);
    directory.parent->children.erase(name);
  }
}

void DirectoryTree::Close(Directory& directory) {
  if (directory.open == nullptr || &directory == &root_) return;
  recent_.erase(directory.recent);
  directory.open.reset();
}

void DirectoryTree::Remember(Directory& directory, std::shared_ptr<OpenDirectory> open) {
  if (recent_.size() >= kOpenDirectories) Close(*recent_.back());
  directory.open = std::move(open);
  directory.recent = recent_.insert(recent_.begin(), &directory);
}

Result<std::shared_ptr<OpenDirectory>> DirectoryTree::OpenBelow(const OpenDirectory& parent,
                                                                const Directory& directory) const {
  auto open = std::make_shared<OpenDirectory>();
  open->fd.reset(sys::OpenAt2(parent.fd.get(), directory.name.c_str(), O_RDONLY | O_DIRECTORY, 0, kResolve));
  if (!open->fd.valid()) return LastError("openat2(2)", Printable(PathOf(directory), 150).c_str());
  CLOISTER_ASSIGN(birth, BirthIn(open->fd.get(), mode_is_exact_));
  open->birth = birth;
  return Result<std::shared_ptr<OpenDirectory>>(std::move(open));
}

Result<std::shared_ptr<OpenDirectory>> DirectoryTree::Open(Directory& directory) {
  using Open = Result<std::shared_ptr<OpenDirectory>>;
  if (directory.open != nullptr) {
    if (&directory != &root_) recent_.splice(recent_.begin(), recent_, directory.recent);
    return Open(std::shared_ptr<OpenDirectory>(directory.open));
  }
  std::vector<Directory*> closed;
  Directory* at = &directory;
  for (; at->open == nullptr; at = at->parent) closed.push_back(at);
  std::shared_ptr<OpenDirectory> open = at->open;
  for (; !closed.empty(); closed.pop_back()) {
    CLOISTER_ASSIGN(below, OpenBelow(*open, *closed.back()));
    open = std::move(below);
    Remember(*closed.back(), open);
  }
  return Open(std::move(open));
}

std::string DirectoryTree::PathOf(const Directory& directory, std::string_view name) {
  std::string path(name);
  for (const Directory* at = &directory; at->parent != nullptr; at = at->parent) {
    if (!path.empty()) path.insert(0, 1, '/');
    path.insert(0, at->name);
  }
  return path;
}

}  // namespace cloister::layers
