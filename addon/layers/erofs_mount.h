// An index and its archive as a mounted file system, with no loop device: since Linux 6.12 EROFS reads from files.
#pragma once

#include <stdint.h>

#include "../kernel/result.h"
#include "../kernel/unique_fd.h"
#include "erofs_seal.h"

namespace cloister::layers {

// A detached mount, read-only and without devices, of the layer `layer`. Both descriptors are of regular files and may be
// closed afterwards. `attributes` are added, MOUNT_ATTR_*.
//
// EUCLEAN when index or archive are not what was written for that layer; ENODEV where the kernel has no EROFS, ENOTBLK where it
// mounts block devices only, or not from the file system that the index is on.
Result<UniqueFd> MountErofs(int index, int archive, const erofs::LayerDigest& layer, uint64_t attributes);

}  // namespace cloister::layers
