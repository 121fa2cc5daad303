// Makes the checksums of an archive right, so that what a fuzzer changes is looked at.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <string>

namespace cloister::fuzz {

inline std::string SignHeaders(const uint8_t* data, size_t size) {
  constexpr size_t kBlock = 512;
  constexpr size_t kSum = 148;
  std::string archive(reinterpret_cast<const char*>(data), size);
  for (size_t at = 0; at + kBlock <= size; at += kBlock) {
    char* const block = archive.data() + at;
    if (memcmp(block + 257, "ustar", 5) != 0) continue;
    memset(block + kSum, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < kBlock; i++) sum += static_cast<uint8_t>(block[i]);
    snprintf(block + kSum, 8, "%06o", sum);
  }
  return archive;
}

}  // namespace cloister::fuzz
