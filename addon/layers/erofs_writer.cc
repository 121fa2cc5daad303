#include "erofs_writer.h"

#include <string.h>
#include <sys/stat.h>

#include <algorithm>

#include "crc32c.h"
#include "fault.h"

namespace cloister::layers::erofs {
namespace {

class Writer {
 public:
  Writer(const Tree& tree, const LayoutPlan& plan, ImageOutput& output)
      : tree_(tree), plan_(plan), output_(output), first_block_(output.offset() / kBlock) {}

  // The blocks that the plan has counted.
  Status Blocks() {
    std::string contents;
    for (const InodeId id : plan_.order()) {
      const Place& place = plan_.of(id);
      if (place.block == kNoBlock) continue;
      Contents(id, contents);
      contents.resize(place.layout == Layout::kInline ? place.size / kBlock * kBlock
                                                      : RoundUp<uint64_t>(place.size, kBlock));
      CLOISTER_TRY(output_.Append(contents));
    }
    return Done{};
  }

  Status Inodes() {
    metadata_ = output_.offset();
    for (const InodeId id : plan_.order()) {
      const uint64_t start = metadata_ + uint64_t{plan_.of(id).number} * kSlot;
      CLOISTER_TRY(output_.AppendZeroes(start - output_.offset()));
      CLOISTER_TRY(WriteInode(id));
    }
    return output_.AppendZeroes(RoundUp<uint64_t>(output_.offset(), kBlock) - output_.offset());
  }

  uint32_t metadata_block() const { return static_cast<uint32_t>(metadata_ / kBlock); }

 private:
  void Contents(InodeId id, std::string& contents) {
    const Node& node = tree_.node(id);
    if (S_ISDIR(node.mode)) {
      plan_.FillDirectory(tree_, id, contents);
    } else {
      contents = tree_.TargetOf(node);
    }
  }

  uint32_t ValueOf(const Node& node, const Place& place) const {
    if (S_ISCHR(node.mode) || S_ISBLK(node.mode)) return static_cast<uint32_t>(node.place);
    if (place.layout == Layout::kChunks) {
      const uint32_t bits = node.chunked == kNone ? WholeChunkBits(node.size) : tree_.ChunkedOf(node).chunk_bits;
      return kChunkEntries | (bits - kBlockBits);
    }
    if (place.block != kNoBlock) return static_cast<uint32_t>(first_block_ + place.block);
    return place.layout == Layout::kInline || !(S_ISREG(node.mode)) ? 0 : kNoBlock;
  }

  Status WriteInode(InodeId id) {
    const Node& node = tree_.node(id);
    const Place& place = plan_.of(id);
    const uint32_t xattrs = XattrBytes(tree_, node);
    Inode inode = {};
    inode.format = FormatOf(place.layout);
    inode.xattr_units = static_cast<uint16_t>(xattrs == 0 ? 0 : 1 + (xattrs - sizeof(XattrHeader)) / 4);
    inode.mode = node.mode;
    inode.size = place.size;
    inode.value = ValueOf(node, place);
    inode.number = static_cast<uint32_t>(place.number);
    inode.uid = node.uid;
    inode.gid = node.gid;
    inode.mtime_s = node.mtime_s;
    inode.mtime_ns = node.mtime_ns;
    inode.links = place.links;
    std::string out(reinterpret_cast<const char*>(&inode), sizeof inode);
    AppendXattrs(tree_, node, out);
    if (place.layout == Layout::kChunks) AppendChunks(node, out);
    if (place.layout == Layout::kInline) {
      std::string contents;
      Contents(id, contents);
      out += contents.substr(contents.size() / kBlock * kBlock);
    }
    return output_.Append(out);
  }

  void AppendChunks(const Node& node, std::string& out) const {
    out.resize(RoundUp<size_t>(out.size(), sizeof(Chunk)));
    if (node.chunked != kNone) {
      const std::vector<Chunk>& chunks = tree_.ChunkedOf(node).chunks;
      out.append(reinterpret_cast<const char*>(chunks.data()), chunks.size() * sizeof(Chunk));
      return;
    }
    const uint32_t bits = WholeChunkBits(node.size);
    for (uint64_t i = 0; i < ChunkCount(node.size, bits); i++) {
      const Chunk chunk = {0, 1, static_cast<uint32_t>(node.place / kBlock + (i << (bits - kBlockBits)))};
      out.append(reinterpret_cast<const char*>(&chunk), sizeof chunk);
    }
  }

  const Tree& tree_;
  const LayoutPlan& plan_;
  ImageOutput& output_;
  uint64_t first_block_;
  uint64_t metadata_ = 0;
};

// Superblock and device table in their block.
struct Head {
  SuperBlock super;
  DeviceSlot archive;
  char rest[kBlock - sizeof(SuperBlock) - sizeof(DeviceSlot)];
};
static_assert(sizeof(Head) == kBlock);

uint8_t HexDigit(char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

// A number of its own for every layer: overlayfs tells file systems apart by it.
void SetUuid(const LayerDigest& digest, uint8_t (&uuid)[16]) {
  const char* const colon = strchr(digest.text, ':');
  if (colon == nullptr || strlen(colon + 1) < 2 * sizeof uuid) return;
  for (size_t i = 0; i < sizeof uuid; i++) {
    uuid[i] = static_cast<uint8_t>(HexDigit(colon[1 + 2 * i]) << 4 | HexDigit(colon[2 + 2 * i]));
  }
}

Head MakeHead(const LayoutPlan& plan, const Archive& archive, uint32_t metadata_block, uint64_t image_bytes) {
  Head head = {};
  SuperBlock& super = head.super;
  super.magic = kMagic;
  super.compat = kCompatChecksum | kCompatMtime;
  super.block_bits = kBlockBits;
  super.root = static_cast<uint16_t>(plan.of(kRoot).number);
  super.inodes = plan.order().size();
  super.blocks = static_cast<uint32_t>(image_bytes / kBlock);
  super.metadata_block = metadata_block;
  super.incompat = kIncompatChunks | kIncompatDevices;
  super.extra_devices = 1;
  super.device_slot = (kSuperOffset + sizeof(SuperBlock)) / sizeof(DeviceSlot);
  SetUuid(archive.digest, super.uuid);
  memcpy(super.volume, "cloister", 8);
  memcpy(head.archive.tag, archive.digest.text, sizeof head.archive.tag - 1);
  head.archive.blocks = static_cast<uint32_t>(RoundUp<uint64_t>(archive.bytes, kBlock) / kBlock);
  super.checksum = Crc32c(kCrc32cStart, &head, sizeof head);
  return head;
}

}  // namespace

Result<uint64_t> WriteImage(const Tree& tree, const LayoutPlan& plan, const Archive& archive, int fd,
                            ImageOutput& output) {
  Writer writer(tree, plan, output);
  CLOISTER_TRY(writer.Blocks());
  CLOISTER_TRY(writer.Inodes());
  CLOISTER_TRY(output.Flush());
  const uint64_t size = output.offset();
  if (size / kBlock >= kNoBlock) return Fault(FaultKind::kLimit, 0, "", "the index would be larger than 2 TiB");
  const Head head = MakeHead(plan, archive, writer.metadata_block(), size);
  CLOISTER_TRY(WriteAt(fd, &head, sizeof head, kSuperOffset));
  CLOISTER_TRY(WriteSeal(fd, size, archive.bytes, archive.entries, archive.digest));
  return Result<uint64_t>(uint64_t{size});
}

}  // namespace cloister::layers::erofs
