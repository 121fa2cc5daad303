#include "erofs_entries.h"

#include <sys/stat.h>

#include <algorithm>

#include "erofs_layout.h"
#include "erofs_sparse.h"
#include "erofs_xattrs.h"

namespace cloister::layers::erofs {
namespace {

// OCI image specification, layer.md, "Whiteouts".
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

Error FaultOf(const TarEntry& entry, FaultKind kind, const char* reason) {
  return Fault(kind, entry.header_offset, entry.path, reason);
}

bool IsWhiteout(const Node& node) { return S_ISCHR(node.mode) && node.place == 0; }

}  // namespace

Entries::Entries(Tree& tree, TarReader& reader, ImageOutput& output, uint64_t max_overhead)
    : tree_(tree), reader_(reader), output_(output), overhead_left_(max_overhead) {}

Status Entries::Begin() {
  Node root;
  root.mode = S_IFDIR | 0755;
  CLOISTER_TRY(tree_.Add(root));
  return Done{};
}

Result<InodeId> Entries::Subdirectory(const TarEntry& entry, InodeId parent, std::string_view name, bool create) {
  const InodeId found = tree_.Find(parent, name);
  if (found != kNone && S_ISDIR(tree_.node(found).mode)) return Result<InodeId>(InodeId{found});
  if (!create) return FaultOf(entry, FaultKind::kCorrupt, "its target is not in the layer");
  Node directory;
  directory.mode = S_IFDIR | 0755;
  directory.opaque = found != kNone;
  CLOISTER_ASSIGN(id, tree_.Add(directory));
  CLOISTER_TRY(tree_.Put(parent, name, id));
  return Result<InodeId>(InodeId{id});
}

Result<Entries::Where> Entries::Resolve(const TarEntry& entry, std::string_view path, bool create) {
  Where where;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return FaultOf(entry, FaultKind::kEscape, "a path with \"..\"");
    if (part.size() > kNameMax) return FaultOf(entry, FaultKind::kLimit, "a name of more than 255 bytes");
    if (!where.name.empty()) {
      CLOISTER_ASSIGN(next, Subdirectory(entry, where.parent, where.name, create));
      where.parent = next;
    }
    where.name = part;
  }
  return Result<Where>(std::move(where));
}

Result<uint32_t> Entries::DeviceOf(const TarEntry& entry) const {
  // What the kernel's 32-bit device numbers hold, Linux include/linux/kdev_t.h.
  if (entry.dev_major > 0xFFF || entry.dev_minor > 0xFFFFF) {
    return FaultOf(entry, FaultKind::kUnsupported, "a device number that Linux does not have");
  }
  const uint32_t number = (entry.dev_minor & 0xFF) | entry.dev_major << 8 | (entry.dev_minor & ~0xFFU) << 12;
  return Result<uint32_t>(uint32_t{number});
}

Result<Node> Entries::NodeOf(const TarEntry& entry, uint16_t type) {
  if (entry.uid >= UINT32_MAX || entry.gid >= UINT32_MAX) {
    return FaultOf(entry, FaultKind::kUnsupported, "an owner that Linux does not have");
  }
  Node node;
  node.mode = static_cast<uint16_t>(type | entry.mode);
  node.uid = static_cast<uint32_t>(entry.uid);
  node.gid = static_cast<uint32_t>(entry.gid);
  node.mtime_s = entry.mtime_s;
  node.mtime_ns = entry.mtime_ns;
  CLOISTER_ASSIGN(xattrs, EncodeXattrs(entry));
  node.xattrs = tree_.AddXattrs(std::move(xattrs));
  return Result<Node>(Node(node));
}

Status Entries::AddWhiteout(const TarEntry& entry, const Where& where) {
  if (where.name == kOpaque) {
    tree_.node(where.parent).opaque = true;
    return Done{};
  }
  const std::string_view hidden = std::string_view(where.name).substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == "..")
    return FaultOf(entry, FaultKind::kEscape, "a whiteout of no name");
  const InodeId found = tree_.Find(where.parent, hidden);
  if (found != kNone) {
    // Only what is in layers below is hidden.
    if (S_ISDIR(tree_.node(found).mode)) tree_.node(found).opaque = true;
    return Done{};
  }
  Node whiteout;
  whiteout.mode = S_IFCHR;
  CLOISTER_ASSIGN(id, tree_.Add(whiteout));
  return tree_.Put(where.parent, hidden, id);
}

Status Entries::AddLink(const TarEntry& entry, const Where& where) {
  CLOISTER_ASSIGN(target, Resolve(entry, entry.link, false));
  const InodeId id = target.name.empty() ? kNone : tree_.Find(target.parent, target.name);
  if (id == kNone || IsWhiteout(tree_.node(id)))
    return FaultOf(entry, FaultKind::kCorrupt, "its target is not in the layer");
  if (S_ISDIR(tree_.node(id).mode)) return FaultOf(entry, FaultKind::kCorrupt, "a hard link to a directory");
  return tree_.Put(where.parent, where.name, id);
}

Status Entries::AddDirectory(const TarEntry& entry, const Where& where) {
  CLOISTER_ASSIGN(node, NodeOf(entry, S_IFDIR));
  const InodeId found = where.name.empty() ? kRoot : tree_.Find(where.parent, where.name);
  if (found != kNone && S_ISDIR(tree_.node(found).mode)) {
    node.opaque = tree_.node(found).opaque;
    tree_.node(found) = node;
    return Done{};
  }
  node.opaque = found != kNone;
  CLOISTER_ASSIGN(id, tree_.Add(node));
  return tree_.Put(where.parent, where.name, id);
}

Status Entries::SetContents(const TarEntry& entry, Node& node) {
  node.size = entry.real_size;
  node.place = entry.data_offset;
  if ((entry.data_offset + entry.size) / kBlock >= kNoBlock) {
    return FaultOf(entry, FaultKind::kLimit, "an archive of more than 2 TiB");
  }
  if (!entry.is_sparse || node.size == 0) return Done{};
  const uint64_t start = output_.offset();
  CLOISTER_ASSIGN(file, ChunkSparseFile(entry, overhead_left_, reader_, output_));
  const uint64_t written = output_.offset() - start + file.chunks.size() * sizeof(Chunk);
  overhead_left_ -= std::min(overhead_left_, written - std::min(written, entry.size));
  node.chunked = tree_.AddChunked(std::move(file));
  return Done{};
}

Status Entries::AddOther(const TarEntry& entry, const Where& where) {
  Node node;
  if (entry.kind == TarEntry::Kind::kFile) {
    CLOISTER_ASSIGN(file, NodeOf(entry, S_IFREG));
    node = file;
    CLOISTER_TRY(SetContents(entry, node));
  } else if (entry.kind == TarEntry::Kind::kSymlink) {
    CLOISTER_ASSIGN(symlink, NodeOf(entry, S_IFLNK));
    node = symlink;
    node.mode = S_IFLNK | 0777;
    node.size = entry.link.size();
    node.place = tree_.AddTarget(entry.link);
  } else if (entry.kind == TarEntry::Kind::kFifo) {
    CLOISTER_ASSIGN(fifo, NodeOf(entry, S_IFIFO));
    node = fifo;
  } else {
    CLOISTER_ASSIGN(device, NodeOf(entry, entry.kind == TarEntry::Kind::kCharDevice ? S_IFCHR : S_IFBLK));
    CLOISTER_ASSIGN(number, DeviceOf(entry));
    node = device;
    node.place = number;
  }
  CLOISTER_ASSIGN(id, tree_.Add(node));
  return tree_.Put(where.parent, where.name, id);
}

Status Entries::Add(const TarEntry& entry) {
  CLOISTER_ASSIGN(where, Resolve(entry, entry.path, true));
  if (where.name.empty() && entry.kind != TarEntry::Kind::kDirectory) {
    return FaultOf(entry, FaultKind::kEscape, "the root is to be something else than a directory");
  }
  if (where.name.starts_with(kWhiteout)) return AddWhiteout(entry, where);
  if (entry.kind == TarEntry::Kind::kHardLink) return AddLink(entry, where);
  if (entry.kind == TarEntry::Kind::kDirectory) return AddDirectory(entry, where);
  return AddOther(entry, where);
}

}  // namespace cloister::layers::erofs
