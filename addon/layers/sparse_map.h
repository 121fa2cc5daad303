// Where the stored bytes of a sparse file belong: the four ways of GNU tar to say so.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string_view>
#include <vector>

namespace cloister::layers {

// A run of data; between runs, and from the last one to the end of the file, there are holes.
struct Extent {
  uint64_t offset = 0;
  uint64_t length = 0;
};

// 43,690 runs is what a map of a mebibyte holds, which is what Go's archive/tar allows.
inline constexpr size_t kMaxExtents = 43'690;
inline constexpr const char* kTooManyExtents = "the sparse map has more than 43690 runs";

// All return null on success, else what is wrong.

// 0.0, pairs out of records of their own, and 0.1, one record.
const char* MapFromPairs(const std::vector<int64_t>& pairs, std::vector<Extent>& map);
const char* MapFromText(std::string_view text, std::vector<Extent>& map);

// Old GNU format: runs in a header block (`count` 4 at 386) and in blocks that follow it (21 at 0), 24 bytes each, up to the
// first that is empty.
const char* MapFromBlock(const char* entries, size_t count, std::vector<Extent>& map);

// 1.0: lines of decimal numbers in front of the data, the first of which counts the pairs. To be fed one block after the other.
class LineMap {
 public:
  // `done` when the map is complete; what is left of that block is padding.
  const char* Feed(std::string_view block, std::vector<Extent>& map, bool& done);

 private:
  const char* Number(int64_t number, std::vector<Extent>& map);

  int64_t number_ = 0;
  size_t digits_ = 0;
  int64_t left_ = -1;  // numbers to come; -1 before the count
  int64_t offset_ = -1;
};

// In order, without overlap, inside the file, and together as long as what is stored.
const char* CheckMap(const std::vector<Extent>& map, uint64_t stored, uint64_t real_size);

}  // namespace cloister::layers
