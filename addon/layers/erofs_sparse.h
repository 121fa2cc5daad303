// The contents of a sparse file as chunks: holes, chunks that lie in the archive, and chunks that do not line up there and are
// copied to the index.
#pragma once

#include <stdint.h>

#include "../kernel/result.h"
#include "erofs_tree.h"
#include "image_output.h"
#include "tar_reader.h"

namespace cloister::layers::erofs {

// Reads what it copies from `reader`, whose current entry is `entry`, and appends it to `output`, which stands at the start of a
// block and does again afterwards. `max_overhead` bounds what is written beyond the file's own data.
Result<ChunkedFile> ChunkSparseFile(const TarEntry& entry, uint64_t max_overhead, TarReader& reader,
                                    ImageOutput& output);

}  // namespace cloister::layers::erofs
