// The part of the EROFS on-disk format that an index of an archive uses: a read-only file system whose metadata is one
// file and whose file contents lie in a second one, the archive. https://docs.kernel.org/filesystems/erofs.html,
// Linux fs/erofs/erofs_fs.h. Everything is little-endian.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <bit>

namespace cloister::layers::erofs {

static_assert(std::endian::native == std::endian::little, "structures are written as they lie in memory");

// Contents in a tar start at multiples of 512, so that is the block; Linux accepts blocks below a page since 6.4.
inline constexpr uint32_t kBlockBits = 9;
inline constexpr uint32_t kBlock = 1U << kBlockBits;
inline constexpr uint32_t kSlot = 32;  // inodes are numbered by slots of this size
inline constexpr uint32_t kNameMax = 255;

inline constexpr uint64_t kSuperOffset = 1024;  // the bytes before it are free: erofs_seal.h
inline constexpr uint32_t kMagic = 0xE0F5E1E2;
inline constexpr uint32_t kCompatChecksum = 0x1;
inline constexpr uint32_t kCompatMtime = 0x2;
inline constexpr uint32_t kIncompatChunks = 0x4;
inline constexpr uint32_t kIncompatDevices = 0x8;

struct SuperBlock {
  uint32_t magic;
  uint32_t checksum;  // CRC-32C of the superblock's whole block, this field being zero
  uint32_t compat;
  uint8_t block_bits;
  uint8_t extra_slots;
  uint16_t root;  // the root's inode number: it has to be among the first 65,536
  uint64_t inodes;
  uint64_t epoch_s;
  uint32_t epoch_ns;
  uint32_t blocks;
  uint32_t metadata_block;  // where inode number 0 would be
  uint32_t xattr_block;
  uint8_t uuid[16];
  char volume[16];
  uint32_t incompat;
  uint16_t compression;
  uint16_t extra_devices;
  uint16_t device_slot;  // place of the device table, in units of its entries
  uint8_t directory_block_bits;
  uint8_t xattr_prefixes;
  uint32_t xattr_prefix_start;
  uint64_t packed_inode;
  uint8_t reserved[24];
};
static_assert(sizeof(SuperBlock) == 128);

struct DeviceSlot {
  char tag[64];  // for people: the kernel is given the file itself
  uint32_t blocks;
  uint32_t unified_block;
  uint8_t reserved[56];
};
static_assert(sizeof(DeviceSlot) == 128);
static_assert((kSuperOffset + sizeof(SuperBlock)) % sizeof(DeviceSlot) == 0);

// How an inode's contents are found; the low bit of `format` says that the inode has 64 bytes, not 32.
enum class Layout : uint16_t { kPlain = 0, kInline = 2, kChunks = 4 };
inline constexpr uint16_t FormatOf(Layout layout) {
  return static_cast<uint16_t>(1U | static_cast<uint32_t>(layout) << 1);
}

// `value` of a file in chunks: the size of a chunk as a power of two above the block, and "8-byte entries".
inline constexpr uint32_t kChunkBitsMask = 0x1F;
inline constexpr uint32_t kChunkEntries = 0x20;

struct Inode {
  uint16_t format;
  uint16_t xattr_units;  // 0, or 1 + the number of 4-byte words after the header
  uint16_t mode;
  uint16_t reserved;
  uint64_t size;
  uint32_t value;  // first block, chunk format, or device number
  uint32_t number;
  uint32_t uid;
  uint32_t gid;
  int64_t mtime_s;
  uint32_t mtime_ns;
  uint32_t links;
  uint8_t reserved2[16];
};
static_assert(sizeof(Inode) == 64);

inline constexpr uint32_t kNoBlock = 0xFFFFFFFF;  // a hole

struct Chunk {
  uint16_t reserved;
  uint16_t device;  // 0 is the index itself, 1 the archive
  uint32_t block;
};
static_assert(sizeof(Chunk) == 8);

// A directory is a row of blocks, each with its entries first and their names after them, sorted by bytes.
struct __attribute__((packed)) Dirent {
  uint64_t inode;
  uint16_t name_offset;
  uint8_t type;  // DT_REG and so on divided by what `mode` has: the FT_ values of the kernel
  uint8_t reserved;
};
static_assert(sizeof(Dirent) == 12);

struct XattrHeader {
  uint32_t name_filter;
  uint8_t shared;
  uint8_t reserved[7];
};
static_assert(sizeof(XattrHeader) == 12);

struct XattrEntry {
  uint8_t name_length;
  uint8_t prefix;
  uint16_t value_size;
};
static_assert(sizeof(XattrEntry) == 4);

inline constexpr uint32_t kXattrMaxUnits = 0xFFFF;

template <class T>
constexpr T RoundUp(T value, T unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace cloister::layers::erofs
