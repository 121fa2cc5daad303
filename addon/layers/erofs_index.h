// An EROFS index of a layer's archive: a file system whose metadata is a small file of its own and whose file contents stay in
// the archive. Nothing is unpacked.
#pragma once

#include <stdint.h>

#include "../kernel/result.h"
#include "byte_source.h"
#include "erofs_seal.h"

namespace cloister::layers {

struct IndexOptions {
  // What the index is of; MountErofs asks for it again.
  erofs::LayerDigest layer;
  uint64_t max_entries = 4'000'000;
  // Of metadata, and of what sparse files take beyond their data.
  uint64_t max_bytes = uint64_t{1} << 30;
};

struct IndexReport {
  uint64_t entries = 0;  // of the archive
  uint64_t bytes = 0;    // of the index
  uint64_t archive_bytes = 0;
};

// Reads `archive` to its end and writes its index to `output`, an empty regular file. An index is complete when this succeeds:
// one that was not finished has no seal. The archive's digest is for the caller to check, no mount is made before that.
//
// The index is the same for the same archive. Entries mean what they mean to the unpacker: unpack.h.
Result<IndexReport> IndexTar(ByteSource& archive, int output, const IndexOptions& options);

}  // namespace cloister::layers
