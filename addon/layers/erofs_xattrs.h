// Extended attributes in the encoding of EROFS.
#pragma once

#include <stdint.h>

#include <string>

#include "attributes.h"

namespace cloister::layers::erofs {

struct EncodedXattrs {
  std::string set;       // without the header that precedes a set; sorted, so that equal sets are equal bytes
  uint64_t dropped = 0;  // refused, or of a kind that a file system has no place for: not in the set
  bool has_mode = false;
  uint32_t mode = 0;  // permissions that an access list brings along, acl(5)
};

// What the kernel would store of `xattrs` on a file of type `type` (S_IFREG and so on). Null on success, else what is wrong.
const char* EncodeXattrs(const Xattrs& xattrs, uint32_t type, EncodedXattrs& encoded);

}  // namespace cloister::layers::erofs
