// CRC-32C (Castagnoli), the checksum of EROFS superblocks and of our indexes.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace cloister::layers {

inline constexpr uint32_t kCrc32cStart = 0xFFFFFFFF;

// Continues `crc`; no final inversion, as EROFS stores it.
uint32_t Crc32c(uint32_t crc, const void* data, size_t size);

}  // namespace cloister::layers
