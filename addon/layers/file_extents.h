// Where a file has data.
#pragma once

#include <stdint.h>

#include <vector>

#include "../kernel/result.h"
#include "sparse_map.h"

namespace cloister::layers {

// The runs of data of a file of `size` bytes, without gaps that are not worth a run; empty when it has no holes to speak of, and
// is to be read as a whole. lseek(2), SEEK_DATA.
Result<std::vector<Extent>> FindExtents(int fd, uint64_t size);

}  // namespace cloister::layers
