// Where everything of a tree goes in its image: first the blocks (copied pieces of sparse files, then directories and
// targets too long for an inode), then the inodes, a directory's children side by side.
#pragma once

#include <stdint.h>

#include <span>
#include <string>
#include <vector>

#include "../kernel/result.h"
#include "erofs_format.h"
#include "erofs_tree.h"

namespace cloister::layers::erofs {

// An inode's share of the image.
struct Place {
  uint32_t number = 0;  // 0: not placed
  uint32_t links = 0;
  uint32_t parent = kNone;  // of a directory
  uint32_t first_name = 0;  // of a directory, in the sorted names
  uint32_t names = 0;
  uint32_t block = kNoBlock;  // of the contents that are not inline, counted from the first such block
  uint64_t size = 0;
  Layout layout = Layout::kPlain;
};

class LayoutPlan {
 public:
  // Takes the tree's names; `root` has to exist. `max_bytes` bounds what inodes and blocks take together.
  static Result<LayoutPlan> Make(Tree& tree, uint64_t max_bytes);

  const Place& of(InodeId id) const { return places_[id]; }
  // Inodes in the order of their numbers.
  const std::vector<InodeId>& order() const { return order_; }
  std::span<const Name> names_of(const Place& place) const { return {names_.data() + place.first_name, place.names}; }
  uint64_t blocks() const { return blocks_; }

  // The contents of a directory, whose size the plan knows.
  void FillDirectory(const Tree& tree, InodeId id, std::string& contents) const;

 private:
  void CountNames();
  void DropHiddenWhiteouts(const Tree& tree);
  Status PlaceAll(const Tree& tree, uint64_t max_bytes);
  Status PlaceOne(const Tree& tree, InodeId id, uint64_t max_bytes);
  uint64_t DirectorySize(const Tree& tree, const Place& place) const;

  std::vector<Name> names_;
  std::vector<Place> places_;
  std::vector<InodeId> order_;
  uint64_t blocks_ = 0;
  uint64_t end_ = 0;  // of the inodes placed so far, in bytes from where number 0 would be
};

// The size of a file's chunks, as a power of two, when it is one piece of the archive.
uint32_t WholeChunkBits(uint64_t size);
uint64_t ChunkCount(uint64_t size, uint32_t chunk_bits);

// Bytes of an inode's attributes: header and entries, 0 when it has none.
uint32_t XattrBytes(const Tree& tree, const Node& node);
// Appends them as they are stored.
void AppendXattrs(const Tree& tree, const Node& node, std::string& out);

}  // namespace cloister::layers::erofs
