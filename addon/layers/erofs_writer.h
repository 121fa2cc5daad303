// Writes the image of a tree.
#pragma once

#include <stdint.h>

#include "../kernel/result.h"
#include "erofs_layout.h"
#include "erofs_seal.h"
#include "erofs_tree.h"
#include "image_output.h"

namespace cloister::layers::erofs {

// Where the first block of contents goes: behind the superblock and the device table, which share a block.
inline constexpr uint64_t kFirstBlock = kSuperOffset / kBlock + 1;

struct Archive {
  uint64_t bytes = 0;
  uint64_t entries = 0;
  LayerDigest digest;
};

// `output` has the copied pieces of sparse files in it, up to a whole block. Returns the image's size.
Result<uint64_t> WriteImage(const Tree& tree, const LayoutPlan& plan, const Archive& archive, int fd,
                            ImageOutput& output);

}  // namespace cloister::layers::erofs
