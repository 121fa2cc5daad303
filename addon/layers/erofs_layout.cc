#include "erofs_layout.h"

#include <string.h>
#include <sys/stat.h>

#include <algorithm>

#include "fault.h"

namespace cloister::layers::erofs {
namespace {

constexpr uint32_t kMaxChunkBits = kBlockBits + kChunkBitsMask;

// "." and ".." are names as any other: they are not always the first ones in the order of bytes.
struct Item {
  std::string_view name;
  InodeId inode;
};

template <class Visit>
void EachItem(const Tree& tree, std::span<const Name> names, InodeId self, InodeId parent, Visit visit) {
  Item special[] = {{".", self}, {"..", parent}};
  const Item* next = special;
  for (const Name& name : names) {
    const std::string_view text = tree.NameOf(name);
    for (; next != special + 2 && next->name < text; next++) visit(*next);
    visit(Item{text, name.child});
  }
  for (; next != special + 2; next++) visit(*next);
}

// How many of the items fit each block, in order.
class BlockFiller {
 public:
  // True when `name` starts a new block.
  bool Add(std::string_view name) {
    const auto need = static_cast<uint32_t>(sizeof(Dirent) + name.size());
    const bool is_new = used_ + need > kBlock;
    if (is_new) {
      full_blocks_++;
      used_ = 0;
    }
    used_ += need;
    return is_new;
  }
  uint64_t size() const { return full_blocks_ * uint64_t{kBlock} + used_; }

 private:
  uint64_t full_blocks_ = 0;
  uint32_t used_ = 0;
};

// FT_REG_FILE and so on, Linux include/linux/fs_types.h.
uint8_t FileType(uint16_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 1;
    case S_IFDIR:
      return 2;
    case S_IFCHR:
      return 3;
    case S_IFBLK:
      return 4;
    case S_IFIFO:
      return 5;
    case S_IFLNK:
      return 7;
    default:
      return 0;
  }
}

// `trusted.overlay.opaque` = "y", Documentation/filesystems/overlayfs.rst.
std::string OpaqueEntry() {
  constexpr std::string_view kName = "overlay.opaque";
  XattrEntry entry = {static_cast<uint8_t>(kName.size()), 4, 1};
  std::string out(reinterpret_cast<const char*>(&entry), sizeof entry);
  out += kName;
  out += 'y';
  out.resize(RoundUp<size_t>(out.size(), 4));
  return out;
}

}  // namespace

uint32_t WholeChunkBits(uint64_t size) {
  const auto bits = static_cast<uint32_t>(std::bit_width(size > 0 ? size - 1 : 0));
  return std::clamp(bits, kBlockBits, kMaxChunkBits);
}

uint64_t ChunkCount(uint64_t size, uint32_t chunk_bits) {
  return (size >> chunk_bits) + ((size & ((uint64_t{1} << chunk_bits) - 1)) != 0 ? 1 : 0);
}

uint32_t XattrBytes(const Tree& tree, const Node& node) {
  static const size_t kOpaque = OpaqueEntry().size();
  const size_t entries = tree.XattrsOf(node).size() + (node.opaque ? kOpaque : 0);
  return entries == 0 ? 0 : static_cast<uint32_t>(sizeof(XattrHeader) + entries);
}

void AppendXattrs(const Tree& tree, const Node& node, std::string& out) {
  if (XattrBytes(tree, node) == 0) return;
  out.append(sizeof(XattrHeader), '\0');
  out += tree.XattrsOf(node);
  if (node.opaque) out += OpaqueEntry();
}

Result<LayoutPlan> LayoutPlan::Make(Tree& tree, uint64_t max_bytes) {
  LayoutPlan plan;
  plan.names_ = tree.TakeSorted();
  plan.places_.resize(tree.inodes());
  plan.CountNames();
  plan.DropHiddenWhiteouts(tree);
  CLOISTER_TRY(plan.PlaceAll(tree, max_bytes));
  return Result<LayoutPlan>(std::move(plan));
}

void LayoutPlan::CountNames() {
  for (uint32_t i = 0; i < names_.size(); i++) {
    Place& parent = places_[names_[i].parent];
    if (parent.names++ == 0) parent.first_name = i;
  }
}

// Overlayfs does not look for whiteouts where nothing is merged, and lists them.
void LayoutPlan::DropHiddenWhiteouts(const Tree& tree) {
  struct Visit {
    InodeId directory;
    bool inside_opaque;
  };
  std::vector<Visit> ahead = {{kRoot, false}};
  bool drops = false;
  while (!ahead.empty()) {
    const Visit visit = ahead.back();
    ahead.pop_back();
    const bool inside_opaque = visit.inside_opaque || tree.node(visit.directory).opaque;
    const Place& place = places_[visit.directory];
    for (Name& name : std::span(names_).subspan(place.first_name, place.names)) {
      const Node& child = tree.node(name.child);
      if (S_ISDIR(child.mode)) ahead.push_back({name.child, inside_opaque});
      if (!inside_opaque || !child.is_whiteout) continue;
      name.child = kNone;
      drops = true;
    }
  }
  if (!drops) return;
  std::erase_if(names_, [](const Name& name) { return name.child == kNone; });
  for (Place& place : places_) place = Place();
  CountNames();
}

// Parents before children, depth first by directory; a stack of our own, because the depth is the archive's to choose.
Status LayoutPlan::PlaceAll(const Tree& tree, uint64_t max_bytes) {
  end_ = kSlot;  // number 0 stays unused: readdir(3) takes it for a removed entry
  places_[kRoot].parent = kRoot;
  places_[kRoot].links = 2;
  CLOISTER_TRY(PlaceOne(tree, kRoot, max_bytes));
  std::vector<InodeId> directories = {kRoot};
  while (!directories.empty()) {
    const InodeId id = directories.back();
    directories.pop_back();
    const size_t first_new = directories.size();
    for (const Name& name : names_of(places_[id])) {
      Place& child = places_[name.child];
      const bool is_directory = S_ISDIR(tree.node(name.child).mode);
      child.links += is_directory ? 2 : 1;
      if (child.number != 0) continue;
      if (is_directory) {
        child.parent = id;
        places_[id].links++;
        directories.push_back(name.child);
      }
      CLOISTER_TRY(PlaceOne(tree, name.child, max_bytes));
    }
    std::reverse(directories.begin() + static_cast<ptrdiff_t>(first_new), directories.end());
  }
  return Done{};
}

Status LayoutPlan::PlaceOne(const Tree& tree, InodeId id, uint64_t max_bytes) {
  const Node& node = tree.node(id);
  Place& place = places_[id];
  uint64_t head = sizeof(Inode) + XattrBytes(tree, node);
  uint64_t start = end_;
  place.size = node.size;
  if (S_ISREG(node.mode) && node.size > 0) {
    const uint32_t bits = node.chunked == kNone ? WholeChunkBits(node.size) : tree.ChunkedOf(node).chunk_bits;
    place.layout = Layout::kChunks;
    head = RoundUp<uint64_t>(head, sizeof(Chunk)) + ChunkCount(node.size, bits) * sizeof(Chunk);
  } else if (S_ISDIR(node.mode) || S_ISLNK(node.mode)) {
    if (S_ISDIR(node.mode)) place.size = DirectorySize(tree, place);
    const uint64_t tail = place.size % kBlock;
    // What is inline may not lie across two blocks. Moving the inode so that it does not wastes the rest of this block, a
    // block for the tail wastes what the tail leaves of it.
    const uint64_t room = kBlock - (start + head) % kBlock;
    const uint64_t gap = tail <= room ? 0 : RoundUp<uint64_t>(room, kSlot);
    const uint64_t room_then = kBlock - (start + gap + head) % kBlock;
    if (tail > 0 && tail <= room_then && gap <= kBlock - tail) {
      start += gap;
      place.layout = Layout::kInline;
      head += tail;
    }
    const uint64_t blocks =
        place.layout == Layout::kInline ? place.size / kBlock : RoundUp<uint64_t>(place.size, kBlock) / kBlock;
    if (blocks > 0) place.block = static_cast<uint32_t>(blocks_);
    blocks_ += blocks;
  }
  end_ = RoundUp<uint64_t>(start + head, kSlot);
  if (end_ + blocks_ * kBlock > max_bytes)
    return Fault(FaultKind::kLimit, 0, "", "the index would be larger than allowed");
  place.number = static_cast<uint32_t>(start / kSlot);
  order_.push_back(id);
  return Done{};
}

uint64_t LayoutPlan::DirectorySize(const Tree& tree, const Place& place) const {
  BlockFiller filler;
  EachItem(tree, names_of(place), kRoot, kRoot, [&](const Item& item) { filler.Add(item.name); });
  return filler.size();
}

void LayoutPlan::FillDirectory(const Tree& tree, InodeId id, std::string& contents) const {
  const Place& place = places_[id];
  contents.assign(place.size, '\0');
  std::vector<Item> block;
  size_t at = 0;
  const auto flush = [&] {
    size_t name_at = block.size() * sizeof(Dirent);
    for (size_t i = 0; i < block.size(); i++) {
      const Item& item = block[i];
      const Dirent dirent = {places_[item.inode].number, static_cast<uint16_t>(name_at),
                             FileType(tree.node(item.inode).mode), 0};
      memcpy(contents.data() + at + i * sizeof dirent, &dirent, sizeof dirent);
      memcpy(contents.data() + at + name_at, item.name.data(), item.name.size());
      name_at += item.name.size();
    }
    at += kBlock;
    block.clear();
  };
  BlockFiller filler;
  EachItem(tree, names_of(place), id, place.parent, [&](const Item& item) {
    if (filler.Add(item.name)) flush();
    block.push_back(item);
  });
  flush();
}

}  // namespace cloister::layers::erofs
