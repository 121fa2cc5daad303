// Extended attributes in the encoding of EROFS.
#pragma once

#include <string>

#include "../kernel/result.h"
#include "tar_reader.h"

namespace cloister::layers::erofs {

// Without the header that precedes a set; sorted, so that equal sets are equal bytes.
Result<std::string> EncodeXattrs(const TarEntry& entry);

}  // namespace cloister::layers::erofs
