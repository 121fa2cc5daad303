// One 512-byte header block of an archive: v7, ustar, star and GNU, read as leniently as Go's archive/tar does, because that is
// what every builder and registry has been checking layers with.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace cloister::layers {

inline constexpr size_t kBlockBytes = 512;

struct TarHeader {
  enum class Format { kV7, kUstar, kStar, kGnu };
  Format format = Format::kV7;
  char type = 0;
  std::string path;
  std::string link;
  uint32_t mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t size = 0;
  int64_t mtime_s = 0;
  int64_t dev_major = 0;
  int64_t dev_minor = 0;
};

bool IsZeroBlock(const char* block);

// Null on success, else what is wrong with the block.
const char* DecodeHeader(const char* block, TarHeader& header);

// A number field: octal, or base 256 with its top bit set, GNU tar's "Basic Tar Format". False when it is neither.
bool ParseNumber(const char* field, size_t size, int64_t& number);

// A text field: up to its first NUL.
std::string ParseText(const char* field, size_t size);

}  // namespace cloister::layers
