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
  uint64_t max_entries = UINT64_MAX;  // and directories that have to be made for them
  uint64_t max_bytes = UINT64_MAX;    // of all files together, holes included
  // Of the index, beyond what it copies out of the archive.
  uint64_t max_index_bytes = uint64_t{1} << 30;
  uint32_t max_path_bytes = 4096;
};

struct IndexReport {
  uint64_t entries = 0;  // implied directories included
  uint64_t bytes = 0;    // of the index
  uint64_t archive_bytes = 0;
  uint64_t dropped_attributes = 0;  // extended ones that were refused or that no file system stores
  bool is_opaque = false;           // all of the layer, as in unpack.h
};

// Reads `archive` to its end and writes its index to `output`, an empty regular file. An index is complete when this succeeds:
// one that was not finished has no seal. The archive's digest is for the caller to check, no mount is made before that.
//
// The index is the same for the same archive. Entries mean what they mean to the unpacker: unpack.h.
Result<IndexReport> IndexTar(ByteSource& archive, int output, const IndexOptions& options);

}  // namespace cloister::layers
