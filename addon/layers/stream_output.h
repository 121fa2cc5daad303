// Bytes on their way to a pipe, a socket or a file, gathered into large writes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string_view>

#include "../kernel/result.h"

namespace cloister::layers {

class StreamOutput {
 public:
  // `fd` stays the caller's; it may be one that does not block.
  explicit StreamOutput(int fd);

  Status Write(const void* data, size_t size);
  Status Write(std::string_view data) { return Write(data.data(), data.size()); }
  Status WriteZeroes(uint64_t size);
  Status Flush();
  // Bytes written so far, those in the buffer among them.
  uint64_t bytes() const { return bytes_; }

 private:
  Status WriteOut(const char* data, size_t size);

  int fd_;
  uint64_t bytes_ = 0;
  size_t used_ = 0;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace cloister::layers
