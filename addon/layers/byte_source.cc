#include "byte_source.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace cloister::layers {
namespace {

constexpr size_t kBufferBytes = size_t{128} * 1024;
// How often one looks whether a file has grown, inotify(7) being limited for each user.
constexpr int kGrowthMs = 10;

// Node hands out pipes that do not block; a thread of our own can wait.
Status WaitReadable(int fd) {
  struct pollfd readable = {fd, POLLIN, 0};
  while (poll(&readable, 1, -1) < 0) {
    if (errno != EINTR) return LastError("poll(2)", "layer archive");
  }
  return Done{};
}

}  // namespace

Result<uint64_t> ByteSource::Skip(uint64_t) { return Result<uint64_t>(0); }

FdSource::FdSource(int fd) : fd_(fd) {
  struct stat info;
  is_file_ = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

Result<size_t> FdSource::Read(void* buffer, size_t size) {
  for (;;) {
    const ssize_t n = read(fd_, buffer, size);
    if (n >= 0) return Result<size_t>(static_cast<size_t>(n));
    if (errno == EAGAIN) {
      CLOISTER_TRY(WaitReadable(fd_));
    } else if (errno != EINTR) {
      return LastError("read(2)", "layer archive");
    }
  }
}

Result<uint64_t> FdSource::Skip(uint64_t size) {
  if (!is_file_) return Result<uint64_t>(0);
  // Not lseek(2) alone: it goes beyond the end without a word.
  struct stat info;
  const off_t at = lseek(fd_, 0, SEEK_CUR);
  if (at < 0 || fstat(fd_, &info) != 0) return LastError("lseek(2)", "layer archive");
  const uint64_t left = info.st_size > at ? static_cast<uint64_t>(info.st_size - at) : 0;
  const uint64_t step = std::min(size, left);
  if (lseek(fd_, static_cast<off_t>(step), SEEK_CUR) < 0) return LastError("lseek(2)", "layer archive");
  return Result<uint64_t>(uint64_t{step});
}

Result<size_t> GrowingFile::Read(void* buffer, size_t size) {
  for (;;) {
    // Asked before the file is: what is appended in between would be missed.
    const bool is_end = is_whole_;
    CLOISTER_ASSIGN(n, file_.Read(buffer, size));
    if (n > 0 || size == 0 || is_end) return Result<size_t>(size_t{n});
    CLOISTER_TRY(Wait());
  }
}

Result<uint64_t> GrowingFile::Skip(uint64_t size) {
  uint64_t done = 0;
  for (;;) {
    const bool is_end = is_whole_;
    CLOISTER_ASSIGN(passed, file_.Skip(size - done));
    done += passed;
    if (done == size || is_end) return Result<uint64_t>(uint64_t{done});
    CLOISTER_TRY(Wait());
  }
}

Status GrowingFile::Wait() {
  // POLLHUP is told whether it is asked for or not, poll(2).
  struct pollfd writer = {writer_, 0, 0};
  const int ended = poll(&writer, 1, kGrowthMs);
  if (ended < 0 && errno != EINTR) return LastError("poll(2)", "layer archive");
  is_whole_ = ended > 0;
  return Done{};
}

Result<size_t> MemorySource::Read(void* buffer, size_t size) {
  const size_t n = std::min(size, left_);
  if (n > 0) memcpy(buffer, data_, n);
  data_ += n;
  left_ -= n;
  return Result<size_t>(size_t{n});
}

BufferedInput::BufferedInput(ByteSource& source) : source_(source), buffer_(new char[kBufferBytes]) {}

size_t BufferedInput::Take(void* buffer, size_t size) {
  const size_t n = std::min(size, end_ - begin_);
  if (n > 0) memcpy(buffer, buffer_.get() + begin_, n);
  begin_ += n;
  offset_ += n;
  return n;
}

Result<bool> BufferedInput::Fill() {
  CLOISTER_ASSIGN(n, source_.Read(buffer_.get(), kBufferBytes));
  begin_ = 0;
  end_ = n;
  return Result<bool>(n > 0);
}

Result<size_t> BufferedInput::ReadSome(void* buffer, size_t size) {
  if (size == 0) return Result<size_t>(0);
  if (begin_ == end_) {
    if (size >= kBufferBytes) {
      CLOISTER_ASSIGN(n, source_.Read(buffer, size));
      offset_ += n;
      return Result<size_t>(size_t{n});
    }
    CLOISTER_TRY(Fill());
  }
  return Result<size_t>(Take(buffer, size));
}

Result<size_t> BufferedInput::ReadFull(void* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    CLOISTER_ASSIGN(n, ReadSome(static_cast<char*>(buffer) + done, size - done));
    if (n == 0) break;
    done += n;
  }
  return Result<size_t>(size_t{done});
}

Result<uint64_t> BufferedInput::Skip(uint64_t size) {
  uint64_t done = std::min<uint64_t>(size, end_ - begin_);
  begin_ += static_cast<size_t>(done);
  if (done < size) {
    CLOISTER_ASSIGN(passed, source_.Skip(size - done));
    done += passed;
  }
  offset_ += done;
  while (done < size) {
    if (begin_ == end_) {
      CLOISTER_ASSIGN(more, Fill());
      if (!more) break;
    }
    const uint64_t step = std::min<uint64_t>(size - done, end_ - begin_);
    begin_ += static_cast<size_t>(step);
    done += step;
    offset_ += step;
  }
  return Result<uint64_t>(uint64_t{done});
}

}  // namespace cloister::layers
