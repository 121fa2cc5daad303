#include "stream_output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

namespace cloister::layers {
namespace {

constexpr size_t kBufferBytes = size_t{128} * 1024;
constexpr const char* kSubject = "archive output";

Status WaitWritable(int fd) {
  struct pollfd writable = {fd, POLLOUT, 0};
  while (poll(&writable, 1, -1) < 0) {
    if (errno != EINTR) return LastError("poll(2)", kSubject);
  }
  return Done{};
}

}  // namespace

StreamOutput::StreamOutput(int fd) : fd_(fd), buffer_(new char[kBufferBytes]) {}

Status StreamOutput::WriteOut(const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd_, data, size);
    if (n >= 0) {
      data += n;
      size -= static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      CLOISTER_TRY(WaitWritable(fd_));
    } else if (errno != EINTR) {
      return LastError("write(2)", kSubject);
    }
  }
  return Done{};
}

Status StreamOutput::Write(const void* data, size_t size) {
  bytes_ += size;
  if (size > kBufferBytes - used_) CLOISTER_TRY(Flush());
  if (size >= kBufferBytes) return WriteOut(static_cast<const char*>(data), size);
  memcpy(buffer_.get() + used_, data, size);
  used_ += size;
  return Done{};
}

Status StreamOutput::WriteZeroes(uint64_t size) {
  static constexpr char kZeroes[4096] = {};
  while (size > 0) {
    const auto step = static_cast<size_t>(std::min<uint64_t>(size, sizeof kZeroes));
    CLOISTER_TRY(Write(kZeroes, step));
    size -= step;
  }
  return Done{};
}

Status StreamOutput::Flush() {
  const size_t size = used_;
  used_ = 0;
  return WriteOut(buffer_.get(), size);
}

}  // namespace cloister::layers
