#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

#include "remove_tree.h"
#include "unpacker.h"

namespace cloister::layers {
namespace {

constexpr int kMaxLinks = 40;    // as the kernel follows, path_resolution(7)
constexpr int kMaxSteps = 4096;  // names on the way, those out of links included
constexpr mode_t kImpliedMode = 0755;

}  // namespace

Error Unpacker::Refused(const char* call, const Directory& directory, std::string_view name) const {
  return {call, errno, Printable(DirectoryTree::PathOf(directory, name), 150).c_str()};
}

void Unpacker::Touch(Directory& directory) {
  for (Directory* at = &directory; at != nullptr && !at->touched; at = at->parent) at->touched = true;
}

Status Unpacker::Settle(const Directory& directory, std::string_view name) {
  const auto seen = seen_.find(KeyOf(directory, name));
  if (seen == seen_.end() || seen->second.ticket == 0) return Done{};
  Place& place = seen->second;
  if (place.ticket > submitted_[place.writer]) SubmitBatch();
  CLOISTER_TRY(writers_[place.writer]->Wait(place.ticket));
  place.ticket = 0;
  return Done{};
}

Result<Unpacker::Found> Unpacker::Look(Directory& directory, std::string_view name, struct timespec* mtime) {
  CLOISTER_TRY(Settle(directory, name));
  CLOISTER_ASSIGN(open, tree_.Open(directory));
  struct stat info;
  if (fstatat(open->fd.get(), std::string(name).c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Result<Found>(Found::kNothing);
    return Refused("fstatat(2)", directory, name);
  }
  if (mtime != nullptr) *mtime = info.st_mtim;
  if (S_ISDIR(info.st_mode)) return Result<Found>(Found::kDirectory);
  return Result<Found>(S_ISLNK(info.st_mode) ? Found::kLink : Found::kOther);
}

Status Unpacker::Clear(Directory& directory, std::string_view name) {
  CLOISTER_TRY(Settle(directory, name));
  CLOISTER_ASSIGN(open, tree_.Open(directory));
  const std::string text(name);
  Directory* const child = DirectoryTree::Child(directory, name);
  // What paths meant up to now may have led through it.
  last_directory_ = nullptr;
  if (child == nullptr) {
    if (unlinkat(open->fd.get(), text.c_str(), 0) == 0 || errno == ENOENT) return Done{};
    if (errno != EISDIR && errno != EPERM) return Refused("unlinkat(2)", directory, name);
  }
  CLOISTER_TRY(WaitForAll());
  CLOISTER_TRY(RemoveTree(open->fd.get(), text.c_str()));
  if (child != nullptr) tree_.Erase(*child);
  return Done{};
}

Result<Directory*> Unpacker::AddDirectory(Directory& parent, std::string_view name, bool existed,
                                          const struct timespec& mtime) {
  Directory* const added = tree_.Add(parent, name, existed, mtime);
  if (added == nullptr) return FaultHere(FaultKind::kLimit, "more than 1024 directories deep");
  return Result<Directory*>(static_cast<Directory*>(added));
}

Result<Directory*> Unpacker::MakeDirectory(Directory& parent, std::string_view name, mode_t mode) {
  CLOISTER_TRY(Settle(parent, name));
  CLOISTER_ASSIGN(open, tree_.Open(parent));
  const std::string text(name);
  // Set-ID bits come at the end: they would be handed on to what is made inside.
  const mode_t first_mode = (mode & 01777) | 0700;
  bool replaces = false;
  while (mkdirat(open->fd.get(), text.c_str(), first_mode) != 0) {
    if (errno != EEXIST) return Refused("mkdirat(2)", parent, name);
    struct timespec mtime;
    CLOISTER_ASSIGN(found, Look(parent, name, &mtime));
    if (found == Found::kDirectory) return AddDirectory(parent, name, true, mtime);
    CLOISTER_TRY(Clear(parent, name));
    replaces = true;
  }
  CLOISTER_ASSIGN(made, AddDirectory(parent, name, false, {}));
  made->may_have_acl = open->birth.may_have_acl;
  made->opaque = replaces && options_.whiteouts == Whiteouts::kOverlay;
  return Result<Directory*>(static_cast<Directory*>(made));
}

Result<Directory*> Unpacker::MakeImplied(Directory& parent, std::string_view name) {
  CLOISTER_TRY(Count(TarEntry()));
  CLOISTER_ASSIGN(made, MakeDirectory(parent, name, kImpliedMode));
  if (made->existed) return Result<Directory*>(static_cast<Directory*>(made));
  result_.implied_directories++;
  made->attributes = std::make_unique<Attributes>();
  made->attributes->mode = kImpliedMode;
  made->attributes->uid = OwnUid();
  made->attributes->gid = OwnGid();
  return Result<Directory*>(static_cast<Directory*>(made));
}

Result<std::string> Unpacker::ReadLink(Directory& directory, std::string_view name) {
  CLOISTER_ASSIGN(open, tree_.Open(directory));
  std::string target(PATH_MAX, '\0');
  const ssize_t size = readlinkat(open->fd.get(), std::string(name).c_str(), target.data(), target.size());
  if (size < 0) return Refused("readlinkat(2)", directory, name);
  target.resize(static_cast<size_t>(size));
  return Result<std::string>(std::move(target));
}

// One name down. Null when there is no directory: `is_link` when that is because the name is a link.
Result<Directory*> Unpacker::Enter(Directory& directory, std::string_view name, Missing missing, bool& is_link) {
  is_link = false;
  if (Directory* child = DirectoryTree::Child(directory, name))
    return Result<Directory*>(static_cast<Directory*>(child));
  struct timespec mtime;
  CLOISTER_ASSIGN(found, Look(directory, name, &mtime));
  if (found == Found::kDirectory) return AddDirectory(directory, name, true, mtime);
  is_link = found == Found::kLink;
  const bool makes = missing == Missing::kMake || (missing == Missing::kMakeOnFree && found == Found::kNothing);
  if (is_link || !makes) return Result<Directory*>(nullptr);
  return MakeImplied(directory, name);
}

// The links on the way are followed as if the layer were the root directory.
Result<Directory*> Unpacker::Walk(const std::vector<std::string_view>& names, Missing missing) {
  std::vector<std::string_view> ahead(names.rbegin(), names.rend());
  std::deque<std::string> targets;  // what the names ahead are views of
  Directory* at = &tree_.root();
  for (int steps = 0; !ahead.empty(); steps++) {
    if (steps >= kMaxSteps) return FaultHere(FaultKind::kLimit, "its path leads through more than 4096 names");
    const std::string_view name = ahead.back();
    ahead.pop_back();
    if (name == "..") {
      if (at->parent != nullptr) at = at->parent;
      continue;
    }
    if (name.size() > kMaxNameBytes)
      return FaultHere(FaultKind::kCorrupt, "its path leads through a name of more than 255 bytes");
    bool is_link;
    CLOISTER_ASSIGN(below, Enter(*at, name, missing, is_link));
    if (below == nullptr && !is_link) return Result<Directory*>(nullptr);
    if (below != nullptr) {
      at = below;
      continue;
    }
    if (targets.size() >= kMaxLinks) return FaultHere(FaultKind::kCorrupt, "its path leads through more than 40 links");
    CLOISTER_ASSIGN(target, ReadLink(*at, name));
    if (target.starts_with('/')) at = &tree_.root();
    targets.push_back(std::move(target));
    const std::vector<std::string_view> detour = SplitPath(targets.back());
    ahead.insert(ahead.end(), detour.rbegin(), detour.rend());
  }
  return Result<Directory*>(static_cast<Directory*>(at));
}

Result<Directory*> Unpacker::Resolve(const EntryPath& path, Missing missing) {
  if (last_directory_ != nullptr && path.prefix == last_prefix_) {
    return Result<Directory*>(static_cast<Directory*>(last_directory_));
  }
  CLOISTER_ASSIGN(directory, Walk(path.parents, missing));
  last_directory_ = directory;
  last_prefix_ = path.prefix;
  return Result<Directory*>(static_cast<Directory*>(directory));
}

}  // namespace cloister::layers
