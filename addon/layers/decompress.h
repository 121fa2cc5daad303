// A layer's archive out of the blob that was sent: decompressed, hashed, and written where it is wanted, in one pass.
#pragma once

#include <stdint.h>

#include <string>

#include "../kernel/result.h"

namespace cloister::layers {

// More bytes than are allowed are an error of this call.
inline constexpr const char* kArchiveLimitCall = "archive limit";

struct DecompressOptions {
  bool is_gzip = false;    // or plain
  bool is_sha512 = false;  // or sha256
  uint64_t max_bytes = UINT64_MAX;
};

struct Decompressed {
  std::string digest;  // of what was written, in hexadecimal digits
  uint64_t bytes = 0;
};

// Both descriptors stay the caller's. `input` is read to its end.
Result<Decompressed> Decompress(int input, int output, const DecompressOptions& options);

}  // namespace cloister::layers
