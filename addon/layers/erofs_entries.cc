#include "erofs_entries.h"

#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>

#include "erofs_layout.h"
#include "erofs_sparse.h"
#include "erofs_xattrs.h"

namespace cloister::layers::erofs {
namespace {

constexpr const char* kNoTarget = "a hard link to something that is not in the layer";
constexpr const char* kTooMany = "the layer has more entries than allowed";
constexpr size_t kMaxDepth = 1024;
constexpr size_t kMaxLinks = 40;       // as the kernel follows, path_resolution(7)
constexpr int kMaxSteps = 4096;        // names on the way, those out of links included
constexpr uint32_t kMaxMajor = 0xFFF;  // makedev(3)
constexpr uint32_t kMaxMinor = 0xFFFFF;

uint32_t TypeOf(TarEntry::Kind kind) {
  switch (kind) {
    case TarEntry::Kind::kFile:
    case TarEntry::Kind::kHardLink:
      return S_IFREG;
    case TarEntry::Kind::kDirectory:
      return S_IFDIR;
    case TarEntry::Kind::kSymlink:
      return S_IFLNK;
    case TarEntry::Kind::kCharDevice:
      return S_IFCHR;
    case TarEntry::Kind::kBlockDevice:
      return S_IFBLK;
    case TarEntry::Kind::kFifo:
      return S_IFIFO;
  }
  return 0;
}

// The kernel's 32 bits, Linux include/linux/kdev_t.h.
uint32_t DeviceNumber(uint32_t major, uint32_t minor) { return (minor & 0xFF) | major << 8 | (minor & ~0xFFU) << 12; }

}  // namespace

Entries::Entries(Tree& tree, TarReader& reader, ImageOutput& output, const EntryLimits& limits)
    : tree_(tree), reader_(reader), output_(output), limits_(limits) {}

Status Entries::Run() {
  Node root;
  root.mode = S_IFDIR | 0755;
  CLOISTER_TRY(tree_.Add(root));
  TarEntry entry;
  for (;;) {
    CLOISTER_ASSIGN(found, reader_.Next(entry));
    if (!found) return LinkLate();
    offset_ = entry.header_offset;
    path_ = entry.path;
    CLOISTER_TRY(Count(entry));
    CLOISTER_TRY(Apply(entry));
  }
}

Status Entries::Count(const TarEntry& entry) {
  if (counts_.entries >= limits_.max_entries) return FaultHere(FaultKind::kLimit, kTooMany);
  counts_.entries++;
  if (entry.real_size > limits_.max_bytes - counts_.bytes) {
    return FaultHere(FaultKind::kLimit, "the layer has more bytes than allowed");
  }
  counts_.bytes += entry.real_size;
  if (entry.path.size() > limits_.max_path_bytes) return FaultHere(FaultKind::kLimit, "a path longer than allowed");
  return Done{};
}

Status Entries::Apply(TarEntry& entry) {
  EntryPath path;
  bool escapes;
  if (const char* fault = ParseEntryPath(path_, path, escapes)) {
    return FaultHere(escapes ? FaultKind::kEscape : FaultKind::kCorrupt, fault);
  }
  if (path.kind == EntryPath::Kind::kIgnored) return Done{};
  if (path.kind == EntryPath::Kind::kRoot) {
    if (entry.kind == TarEntry::Kind::kDirectory) return Directory(entry, kRoot, kRoot, {});
    return FaultHere(FaultKind::kCorrupt, "the layer's own directory as something else");
  }
  return path.kind == EntryPath::Kind::kPlain ? PlainEntry(entry, path) : Mark(path);
}

Status Entries::PlainEntry(TarEntry& entry, const EntryPath& path) {
  CLOISTER_ASSIGN(parent, Walk(path.parents, Missing::kMake));
  TouchWay();
  if (entry.kind == TarEntry::Kind::kHardLink) return HardLink(entry, parent, path.name);
  if (entry.kind == TarEntry::Kind::kDirectory)
    return Directory(entry, tree_.Find(parent, path.name), parent, path.name);
  return Other(entry, parent, path.name);
}

Status Entries::Mark(const EntryPath& path) {
  // Nothing is in what this very layer removed or replaced: some tools write a whiteout for a directory and more for all that was
  // in it.
  CLOISTER_ASSIGN(parent, Walk(path.parents, Missing::kMakeOnFree));
  if (parent == kNone) return Done{};
  if (path.kind == EntryPath::Kind::kWhiteout) return Whiteout(parent, path.name);
  tree_.node(parent).opaque = true;
  return Done{};
}

void Entries::TouchWay() {
  for (const InodeId id : way_) tree_.node(id).touched = true;
}

Result<InodeId> Entries::MakeImplied(InodeId parent, std::string_view name) {
  CLOISTER_TRY(Count(TarEntry()));
  Node node;
  node.mode = S_IFDIR | 0755;
  node.opaque = tree_.Find(parent, name) != kNone;
  CLOISTER_ASSIGN(id, tree_.Add(node));
  CLOISTER_TRY(tree_.Put(parent, name, id));
  return Result<InodeId>(InodeId{id});
}

// The links on the way are followed as if the layer were the root directory.
Result<InodeId> Entries::Walk(const std::vector<std::string_view>& names, Missing missing) {
  std::vector<std::string_view> ahead(names.rbegin(), names.rend());
  std::deque<std::string> targets;  // what the names ahead are views of
  std::vector<InodeId>& at = way_;
  at.assign(1, kRoot);
  for (int steps = 0; !ahead.empty(); steps++) {
    if (steps >= kMaxSteps) return FaultHere(FaultKind::kLimit, "its path leads through more than 4096 names");
    const std::string_view name = ahead.back();
    ahead.pop_back();
    if (name == "..") {
      if (at.size() > 1) at.pop_back();
      continue;
    }
    if (name.size() > kMaxNameBytes) {
      return FaultHere(FaultKind::kCorrupt, "its path leads through a name of more than 255 bytes");
    }
    InodeId found = tree_.Find(at.back(), name);
    if (found != kNone && S_ISLNK(tree_.node(found).mode)) {
      if (targets.size() >= kMaxLinks)
        return FaultHere(FaultKind::kCorrupt, "its path leads through more than 40 links");
      targets.emplace_back(tree_.TargetOf(tree_.node(found)));
      if (targets.back().starts_with('/')) at.resize(1);
      const std::vector<std::string_view> detour = SplitPath(targets.back());
      ahead.insert(ahead.end(), detour.rbegin(), detour.rend());
      continue;
    }
    if (found == kNone || !S_ISDIR(tree_.node(found).mode)) {
      const bool makes = missing == Missing::kMake || (missing == Missing::kMakeOnFree && found == kNone);
      if (!makes) return Result<InodeId>(InodeId{kNone});
      CLOISTER_ASSIGN(made, MakeImplied(at.back(), name));
      found = made;
    }
    if (at.size() > kMaxDepth) return FaultHere(FaultKind::kLimit, "more than 1024 directories deep");
    at.push_back(found);
  }
  return Result<InodeId>(InodeId{at.back()});
}

Result<Node> Entries::NodeOf(TarEntry& entry, uint32_t type) {
  Attributes attributes;
  if (const char* fault = TakeAttributes(entry, attributes)) return FaultHere(FaultKind::kCorrupt, fault);
  EncodedXattrs xattrs;
  if (const char* fault = EncodeXattrs(attributes.xattrs, type, xattrs)) return FaultHere(FaultKind::kCorrupt, fault);
  counts_.dropped_attributes += xattrs.dropped;
  Node node;
  const uint32_t mode = xattrs.has_mode ? (attributes.mode & ~0777U) | xattrs.mode : attributes.mode;
  // A symbolic link has no mode of its own, symlink(7).
  node.mode = static_cast<uint16_t>(type | (type == S_IFLNK ? 0777U : mode));
  node.uid = attributes.uid;
  node.gid = attributes.gid;
  node.mtime_s = attributes.mtime_s;
  node.mtime_ns = attributes.mtime_ns;
  const size_t bytes = xattrs.set.size();
  const size_t known = tree_.xattr_sets();
  node.xattrs = tree_.AddXattrs(std::move(xattrs.set));
  if (tree_.xattr_sets() > known) CLOISTER_TRY(Hold(bytes));
  return Result<Node>(Node(node));
}

Status Entries::Directory(TarEntry& entry, InodeId existing, InodeId parent, std::string_view name) {
  CLOISTER_ASSIGN(node, NodeOf(entry, S_IFDIR));
  node.touched = true;
  if (existing != kNone && S_ISDIR(tree_.node(existing).mode)) {
    node.opaque = tree_.node(existing).opaque;
    tree_.node(existing) = node;
    return Done{};
  }
  // What lower layers have here was replaced by what this one had here.
  node.opaque = existing != kNone;
  CLOISTER_ASSIGN(id, tree_.Add(node));
  return tree_.Put(parent, name, id);
}

Status Entries::SetContents(const TarEntry& entry, Node& node) {
  node.size = entry.real_size;
  node.place = entry.data_offset;
  if ((entry.data_offset + entry.size) / kBlock >= kNoBlock) {
    return FaultHere(FaultKind::kLimit, "an archive of more than 2 TiB");
  }
  if (!entry.is_sparse || node.size == 0) return Done{};
  const uint64_t start = output_.offset();
  CLOISTER_ASSIGN(file, ChunkSparseFile(entry, limits_.max_overhead_bytes - counts_.overhead_bytes, reader_, output_));
  const uint64_t written = output_.offset() - start + file.chunks.size() * sizeof(Chunk);
  counts_.overhead_bytes += written - std::min(written, entry.size);
  counts_.overhead_bytes = std::min(counts_.overhead_bytes, limits_.max_overhead_bytes);
  node.chunked = tree_.AddChunked(std::move(file));
  return Done{};
}

Status Entries::Other(TarEntry& entry, InodeId parent, std::string_view name) {
  const uint32_t type = TypeOf(entry.kind);
  if (type == S_IFLNK && entry.link.empty()) return FaultHere(FaultKind::kCorrupt, "a symbolic link to nothing");
  if (type == S_IFLNK && entry.link.size() >= PATH_MAX) {
    return FaultHere(FaultKind::kCorrupt, "a symbolic link to more than 4095 bytes");
  }
  if (type != S_IFREG && type != S_IFLNK && (entry.dev_major > kMaxMajor || entry.dev_minor > kMaxMinor)) {
    return FaultHere(FaultKind::kCorrupt, "a device number that Linux does not have");
  }
  CLOISTER_ASSIGN(node, NodeOf(entry, type));
  if (type == S_IFREG) CLOISTER_TRY(SetContents(entry, node));
  if (type == S_IFCHR || type == S_IFBLK) node.place = DeviceNumber(entry.dev_major, entry.dev_minor);
  if (type == S_IFLNK) {
    CLOISTER_TRY(Hold(entry.link.size()));
    node.size = entry.link.size();
    node.place = tree_.AddTarget(entry.link);
  }
  CLOISTER_ASSIGN(id, tree_.Add(node));
  return tree_.Put(parent, name, id);
}

// https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
Status Entries::Whiteout(InodeId parent, std::string_view name) {
  const InodeId own = tree_.Find(parent, name);
  const bool is_directory = own != kNone && S_ISDIR(tree_.node(own).mode);
  if (is_directory && tree_.node(own).touched) {
    tree_.node(own).opaque = true;
    return Done{};
  }
  // A file of this layer hides the lower one as well; a directory that only holds whiteouts gives way.
  if (own != kNone && !is_directory) return Done{};
  Node node;
  node.mode = S_IFCHR;
  node.is_whiteout = true;
  CLOISTER_ASSIGN(id, tree_.Add(node));
  return tree_.Put(parent, name, id);
}

Result<InodeId> Entries::LinkTarget(std::string_view target) {
  EntryPath path;
  bool escapes;
  if (const char* fault = ParseEntryPath(target, path, escapes)) {
    return FaultHere(escapes ? FaultKind::kEscape : FaultKind::kCorrupt,
                     escapes ? "the hard link's target leads out of the layer" : fault);
  }
  if (path.kind == EntryPath::Kind::kRoot) return FaultHere(FaultKind::kCorrupt, "a hard link to a directory");
  if (path.kind != EntryPath::Kind::kPlain) return FaultHere(FaultKind::kCorrupt, kNoTarget);
  CLOISTER_ASSIGN(parent, Walk(path.parents, Missing::kReport));
  if (parent == kNone) return Result<InodeId>(InodeId{kNone});
  const InodeId found = tree_.Find(parent, path.name);
  // What a whiteout names is not in the layer.
  const bool is_there = found != kNone && !tree_.node(found).is_whiteout;
  return Result<InodeId>(is_there ? InodeId{found} : InodeId{kNone});
}

Result<bool> Entries::Link(std::string_view target, InodeId parent, std::string_view name) {
  CLOISTER_ASSIGN(id, LinkTarget(target));
  if (id == kNone) return Result<bool>(false);
  if (S_ISDIR(tree_.node(id).mode)) return FaultHere(FaultKind::kCorrupt, "a hard link to a directory");
  const InodeId existing = tree_.Find(parent, name);
  if (existing != kNone && S_ISDIR(tree_.node(existing).mode)) {
    // The target may be inside of the directory whose place the link takes.
    tree_.Remove(parent, name);
    CLOISTER_ASSIGN(still, LinkTarget(target));
    if (still != id) return FaultHere(FaultKind::kCorrupt, kNoTarget);
  }
  CLOISTER_TRY(tree_.Put(parent, name, id));
  return Result<bool>(true);
}

Status Entries::HardLink(TarEntry& entry, InodeId parent, std::string_view name) {
  CLOISTER_ASSIGN(done, Link(entry.link, parent, name));
  if (done) return Done{};
  // Whatever has this name when all entries were read came after the link, and stays.
  tree_.Remove(parent, name);
  CLOISTER_TRY(Hold(entry.path.size() + entry.link.size()));
  late_links_.push_back({entry.path, entry.link, entry.header_offset});
  return Done{};
}

// True when the link is made, or its name has been taken by a later entry.
Result<bool> Entries::TryLate(const LateLink& late) {
  offset_ = late.offset;
  path_ = late.path;
  EntryPath path;
  bool escapes;
  if (const char* fault = ParseEntryPath(path_, path, escapes)) return FaultHere(FaultKind::kCorrupt, fault);
  CLOISTER_ASSIGN(parent, Walk(path.parents, Missing::kMake));
  if (tree_.Find(parent, path.name) != kNone) return Result<bool>(true);
  return Link(late.target, parent, path.name);
}

Status Entries::LinkLate() {
  // A link may wait for another one; going to and fro takes chains of either direction in one go.
  constexpr int kTurns = 16;
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

}  // namespace cloister::layers::erofs
