// What stands in the free bytes before an index's superblock: which archive it belongs to, and a checksum of all of it. An index
// that was cut off, damaged or put beside another archive is found before the kernel sees it.
#pragma once

#include <stdint.h>

#include "../kernel/result.h"

namespace cloister::layers::erofs {

// Of the uncompressed archive, the layer's diffID, as text: "sha256:0a1b...".
struct LayerDigest {
  char text[144] = {};
};

struct Seal {
  char magic[16];  // "cloister.erofs.1"
  uint64_t image_bytes;
  uint64_t archive_bytes;
  uint64_t entries;
  LayerDigest layer;
  uint32_t reserved;
  uint32_t checksum;  // CRC-32C of the image, this field being zero
};
static_assert(sizeof(Seal) == 192);

// Seals the image in `fd`, which is complete except for its first bytes.
Status WriteSeal(int fd, uint64_t image_bytes, uint64_t archive_bytes, uint64_t entries, const LayerDigest& layer);

// The seal of an image that is whole; reads all of it. EUCLEAN for one that is not.
Result<Seal> CheckSeal(int fd);

}  // namespace cloister::layers::erofs
