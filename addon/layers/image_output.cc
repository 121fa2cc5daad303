#include "image_output.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

namespace cloister::layers {
namespace {

constexpr size_t kBufferBytes = size_t{256} * 1024;

}  // namespace

Status WriteAt(int fd, const void* data, size_t size, uint64_t offset) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = pwrite(fd, bytes, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return LastError("pwrite(2)", "layer index");
    bytes += n;
    size -= static_cast<size_t>(n);
    offset += static_cast<uint64_t>(n);
  }
  return Done{};
}

Result<bool> ReadAt(int fd, void* data, size_t size, uint64_t offset) {
  auto* bytes = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = pread(fd, bytes, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return LastError("pread(2)", "layer index");
    if (n == 0) return Result<bool>(false);
    bytes += n;
    size -= static_cast<size_t>(n);
    offset += static_cast<uint64_t>(n);
  }
  return Result<bool>(true);
}

Status ImageOutput::Append(const void* data, size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const size_t step = std::min(size, kBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes, bytes + step);
    bytes += step;
    size -= step;
    if (buffer_.size() == kBufferBytes) CLOISTER_TRY(Flush());
  }
  return Done{};
}

Status ImageOutput::AppendZeroes(uint64_t size) {
  static constexpr char kZeroes[4096] = {};
  while (size > 0) {
    const auto step = static_cast<size_t>(std::min<uint64_t>(size, sizeof kZeroes));
    CLOISTER_TRY(Append(kZeroes, step));
    size -= step;
  }
  return Done{};
}

Status ImageOutput::Flush() {
  CLOISTER_TRY(WriteAt(fd_, buffer_.data(), buffer_.size(), offset_));
  offset_ += buffer_.size();
  buffer_.clear();
  return Done{};
}

}  // namespace cloister::layers
