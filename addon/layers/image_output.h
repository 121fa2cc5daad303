// Bytes of a new file in order, gathered into large writes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string_view>
#include <vector>

#include "../kernel/result.h"

namespace cloister::layers {

class ImageOutput {
 public:
  // `fd` stays the caller's: a regular file.
  explicit ImageOutput(int fd, uint64_t offset) : fd_(fd), offset_(offset) {}

  Status Append(const void* data, size_t size);
  Status Append(std::string_view data) { return Append(data.data(), data.size()); }
  Status AppendZeroes(uint64_t size);
  Status Flush();
  // Where the next byte goes.
  uint64_t offset() const { return offset_ + buffer_.size(); }

 private:
  int fd_;
  uint64_t offset_;
  std::vector<char> buffer_;
};

// All of `size` bytes at `offset`.
Status WriteAt(int fd, const void* data, size_t size, uint64_t offset);
// False when the file ends before `size` bytes were read.
Result<bool> ReadAt(int fd, void* data, size_t size, uint64_t offset);

}  // namespace cloister::layers
