#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "../kernel/syscalls.h"
#include "unpacker.h"

namespace cloister::layers {
namespace {

constexpr const char* kNoTarget = "a hard link to something that is not in the layer";
// What dev_t holds on Linux, makedev(3).
constexpr uint32_t kMaxMajor = 0xfff;
constexpr uint32_t kMaxMinor = 0xfffff;

const char* CallOf(TarEntry::Kind kind) { return kind == TarEntry::Kind::kSymlink ? "symlinkat(2)" : "mknodat(2)"; }

mode_t TypeOf(TarEntry::Kind kind) {
  switch (kind) {
    case TarEntry::Kind::kSymlink:
      return S_IFLNK;
    case TarEntry::Kind::kCharDevice:
      return S_IFCHR;
    case TarEntry::Kind::kBlockDevice:
      return S_IFBLK;
    default:
      return S_IFIFO;
  }
}

int Make(const TarEntry& entry, int dir, const char* name) {
  if (entry.kind == TarEntry::Kind::kSymlink) return symlinkat(entry.link.c_str(), dir, name);
  return mknodat(dir, name, TypeOf(entry.kind) | entry.mode, makedev(entry.dev_major, entry.dev_minor));
}

// Null when the kernel can make it.
const char* CheckNode(const TarEntry& entry) {
  if (entry.kind == TarEntry::Kind::kSymlink) {
    if (entry.link.empty()) return "a symbolic link to nothing";
    return entry.link.size() >= PATH_MAX ? "a symbolic link to more than 4095 bytes" : nullptr;
  }
  return entry.dev_major > kMaxMajor || entry.dev_minor > kMaxMinor ? "a device number that Linux does not have"
                                                                    : nullptr;
}

}  // namespace

Status Unpacker::RootEntry(TarEntry& entry) {
  if (entry.kind != TarEntry::Kind::kDirectory) {
    return FaultHere(FaultKind::kCorrupt, "the layer's own directory as something else");
  }
  auto attributes = std::make_unique<Attributes>();
  if (const char* fault = TakeAttributes(entry, *attributes)) return FaultHere(FaultKind::kCorrupt, fault);
  CLOISTER_TRY(Hold(attributes->xattrs));
  tree_.root().attributes = std::move(attributes);
  Touch(tree_.root());
  result_.has_root = true;
  return Done{};
}

Status Unpacker::DirectoryEntry(TarEntry& entry, Directory& parent, std::string_view name) {
  auto attributes = std::make_unique<Attributes>();
  if (const char* fault = TakeAttributes(entry, *attributes)) return FaultHere(FaultKind::kCorrupt, fault);
  CLOISTER_TRY(Hold(attributes->xattrs));
  Directory* directory = DirectoryTree::Child(parent, name);
  if (directory == nullptr) {
    CLOISTER_ASSIGN(made, MakeDirectory(parent, name, attributes->mode));
    directory = made;
  }
  directory->attributes = std::move(attributes);
  Touch(*directory);
  return Done{};
}

Status Unpacker::Node(TarEntry& entry, Directory& parent, std::string_view name) {
  if (const char* fault = CheckNode(entry)) return FaultHere(FaultKind::kCorrupt, fault);
  CLOISTER_TRY(Settle(parent, name));
  CLOISTER_ASSIGN(open, tree_.Open(parent));
  const std::string text(name);
  if (Make(entry, open->fd.get(), text.c_str()) != 0) {
    if (errno != EEXIST) return Refused(CallOf(entry.kind), parent, name);
    CLOISTER_TRY(Clear(parent, name));
    if (Make(entry, open->fd.get(), text.c_str()) != 0) return Refused(CallOf(entry.kind), parent, name);
  }
  seen_[KeyOf(parent, name)] = {};
  return NodeAttributes(entry, parent, name);
}

Status Unpacker::NodeAttributes(TarEntry& entry, Directory& parent, std::string_view name) {
  Attributes attributes;
  if (const char* fault = TakeAttributes(entry, attributes)) return FaultHere(FaultKind::kCorrupt, fault);
  CLOISTER_ASSIGN(open, tree_.Open(parent));
  constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  const UniqueFd fd(sys::OpenAt2(open->fd.get(), std::string(name).c_str(), O_PATH | O_NOFOLLOW, 0, kResolve));
  struct stat info;
  if (!fd.valid()) return Refused("openat2(2)", parent, name);
  if (fstat(fd.get(), &info) != 0) return Refused("fstat(2)", parent, name);
  // What was just made has one name; something with two may be somebody's outside, put here meanwhile.
  if ((info.st_mode & S_IFMT) != TypeOf(entry.kind) || info.st_nlink != 1) {
    errno = ESTALE;
    return Refused("fstat(2)", parent, name);
  }
  const bool is_link = entry.kind == TarEntry::Kind::kSymlink;
  return attributes_.ToNode(fd.get(), attributes, open->birth, is_link, entry.path);
}

Result<Unpacker::Linked> Unpacker::LinkTo(Directory& target_directory, const std::string& target, Directory& parent,
                                          const std::string& name) {
  CLOISTER_TRY(Settle(target_directory, target));
  CLOISTER_TRY(Settle(parent, name));
  CLOISTER_ASSIGN(from, tree_.Open(target_directory));
  CLOISTER_ASSIGN(to, tree_.Open(parent));
  struct stat info;
  if (fstatat(from->fd.get(), target.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Result<Linked>(Linked::kNoTarget);
    return Refused("fstatat(2)", target_directory, target);
  }
  if (S_ISDIR(info.st_mode)) return FaultHere(FaultKind::kCorrupt, "a hard link to a directory");
  // A whiteout of this layer: what it names is not in the layer.
  const bool is_whiteout = S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
  if (is_whiteout && options_.whiteouts == Whiteouts::kOverlay) return Result<Linked>(Linked::kNoTarget);
  // What lower layers have there is not what the link means as long as this layer may still bring its own.
  const bool is_ours = seen_.contains(KeyOf(target_directory, target));
  if (!is_ours && !is_late_ && options_.whiteouts == Whiteouts::kApply) return Result<Linked>(Linked::kNoTarget);
  if (&target_directory == &parent && target == name) return Result<Linked>(Linked::kDone);
  // Without AT_SYMLINK_FOLLOW a link to a symbolic link is one to the link itself, linkat(2).
  if (linkat(from->fd.get(), target.c_str(), to->fd.get(), name.c_str(), 0) != 0) {
    if (errno != EEXIST) return Refused("linkat(2)", parent, name);
    CLOISTER_TRY(Clear(parent, name));
    if (linkat(from->fd.get(), target.c_str(), to->fd.get(), name.c_str(), 0) != 0) {
      // It was inside of the directory whose place the link takes.
      if (errno == ENOENT) return FaultHere(FaultKind::kCorrupt, kNoTarget);
      return Refused("linkat(2)", parent, name);
    }
  }
  seen_[KeyOf(parent, name)] = {};
  return Result<Linked>(Linked::kDone);
}

Result<Unpacker::Linked> Unpacker::Link(std::string_view target, Directory& parent, std::string_view name) {
  EntryPath path;
  bool escapes;
  if (const char* fault = ParseEntryPath(target, path, escapes)) {
    return FaultHere(escapes ? FaultKind::kEscape : FaultKind::kCorrupt,
                     escapes ? "the hard link's target leads out of the layer" : fault);
  }
  if (path.kind == EntryPath::Kind::kRoot) return FaultHere(FaultKind::kCorrupt, "a hard link to a directory");
  if (path.kind != EntryPath::Kind::kPlain) return FaultHere(FaultKind::kCorrupt, kNoTarget);
  CLOISTER_ASSIGN(directory, Walk(path.parents, Missing::kReport));
  if (directory == nullptr) return Result<Linked>(Linked::kNoTarget);
  return LinkTo(*directory, std::string(path.name), parent, std::string(name));
}

Status Unpacker::HardLink(TarEntry& entry, Directory& parent, std::string_view name) {
  CLOISTER_ASSIGN(linked, Link(entry.link, parent, name));
  if (linked == Linked::kDone) return Done{};
  // Whatever has this name when all entries were read came after the link, and stays.
  CLOISTER_TRY(Clear(parent, name));
  CLOISTER_TRY(Hold(entry.path.size() + entry.link.size()));
  late_links_.push_back({entry.path, entry.link, entry.header_offset});
  return Done{};
}

// True when the link is made, or its name has been taken by a later entry.
Result<bool> Unpacker::TryLate(const LateLink& late) {
  offset_ = late.offset;
  path_ = late.path;
  EntryPath path;
  bool escapes;
  if (const char* fault = ParseEntryPath(late.path, path, escapes)) return FaultHere(FaultKind::kCorrupt, fault);
  CLOISTER_ASSIGN(parent, Walk(path.parents, Missing::kMake));
  CLOISTER_ASSIGN(found, Look(*parent, path.name));
  if (found != Found::kNothing) return Result<bool>(true);
  CLOISTER_ASSIGN(linked, Link(late.target, *parent, path.name));
  return Result<bool>(linked == Linked::kDone);
}

Status Unpacker::LinkLate() {
  // A link may wait for another one. Going to and fro takes chains of either direction in one go; what needs more turns than
  // this was made to take time.
  constexpr int kTurns = 16;
  is_late_ = true;
  for (int turn = 0; turn < kTurns && !late_links_.empty(); turn++) {
    std::vector<LateLink> left;
    for (const LateLink& late : late_links_) {
      CLOISTER_ASSIGN(done, TryLate(late));
      if (!done) left.push_back(late);
    }
    std::reverse(left.begin(), left.end());
    late_links_ = std::move(left);
  }
  if (late_links_.empty()) return Done{};
  const LateLink& missing = late_links_.front();
  return Fault(FaultKind::kCorrupt, missing.offset, missing.path, kNoTarget);
}

}  // namespace cloister::layers
