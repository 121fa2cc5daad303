// The tree of a layer in memory, made for many small entries: 64,000 of them take about 12 MB.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../kernel/result.h"
#include "erofs_format.h"

namespace cloister::layers::erofs {

using InodeId = uint32_t;
inline constexpr InodeId kRoot = 0;
inline constexpr InodeId kNone = 0xFFFFFFFF;

// A file whose contents are not one piece of the archive.
struct ChunkedFile {
  uint32_t chunk_bits = kBlockBits;
  std::vector<Chunk> chunks;
};

struct Node {
  uint16_t mode = 0;    // with the type
  bool opaque = false;  // a directory that hides what lower layers have in it
  bool is_whiteout = false;
  bool touched = false;  // a directory that the layer brings, or something in it; not one that only whiteouts are in
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t mtime_ns = 0;
  int64_t mtime_s = 0;
  uint64_t size = 0;  // of a file's contents, or of a symbolic link's target
  // By type: a file's first byte in the archive, a device number as EROFS stores it, where in its pool a target starts.
  uint64_t place = 0;
  uint32_t chunked = kNone;  // index of a ChunkedFile
  uint32_t xattrs = 0;       // index of a set; set 0 is empty
};

struct Name {
  InodeId parent;
  InodeId child;  // kNone: removed
  uint32_t offset;
  uint8_t length;
};

class Tree {
 public:
  explicit Tree(uint64_t max_names);

  // References stay valid until the next call of Add.
  Node& node(InodeId id) { return nodes_[id]; }
  const Node& node(InodeId id) const { return nodes_[id]; }
  size_t inodes() const { return nodes_.size(); }

  // EFBIG when there are as many as allowed.
  Result<InodeId> Add(const Node& node);
  // The child of that name, or kNone.
  InodeId Find(InodeId parent, std::string_view name) const;
  // Gives `child` that name; an older child of that name is forgotten, and whatever is below it. EFBIG as above.
  Status Put(InodeId parent, std::string_view name, InodeId child);
  void Remove(InodeId parent, std::string_view name);

  std::string_view NameOf(const Name& name) const { return {names_.data() + name.offset, name.length}; }
  // Living names sorted by parent, then by bytes. Ends the use of Find, Put and Remove.
  std::vector<Name> TakeSorted();

  uint64_t AddTarget(std::string_view target);
  std::string_view TargetOf(const Node& node) const { return {targets_.data() + node.place, node.size}; }

  // A set in the encoding of EROFS without its header; equal sets are kept once.
  uint32_t AddXattrs(std::string&& encoded);
  size_t xattr_sets() const { return xattrs_.size(); }
  const std::string& XattrsOf(const Node& node) const { return *xattrs_[node.xattrs]; }

  uint32_t AddChunked(ChunkedFile&& file);
  const ChunkedFile& ChunkedOf(const Node& node) const { return chunked_[node.chunked]; }

 private:
  size_t SlotOf(InodeId parent, std::string_view name) const;
  void Grow();

  uint64_t max_names_;
  std::vector<Node> nodes_;
  std::vector<Name> entries_;
  std::string names_;
  std::string targets_;
  std::vector<uint32_t> table_;  // open addressing over `entries_`, 1 + index, 0 is free; a power of two
  std::unordered_map<std::string, uint32_t> xattr_ids_;
  std::vector<const std::string*> xattrs_;
  std::vector<ChunkedFile> chunked_;
};

}  // namespace cloister::layers::erofs
