#include "gzip_source.h"

#include <errno.h>

#include <algorithm>

namespace cloister::layers {
namespace {

constexpr size_t kInputBytes = size_t{128} * 1024;

// zlib.h
constexpr int kNoFlush = 0;
constexpr int kNoCheck = 0;
constexpr int kOk = 0;
constexpr int kStreamEnd = 1;
constexpr int kMemoryError = -4;
constexpr int kGzipOfLargestWindow = 16 + 15;

Error Damaged(const char* what) { return {kGzipCall, EBADMSG, what}; }

}  // namespace

GzipSource::GzipSource(ByteSource& compressed)
    : compressed_(compressed), zlib_(FindZlib()), input_(new uint8_t[kInputBytes]) {}

GzipSource::~GzipSource() {
  if (is_started_) zlib_->inflate_end(&stream_);
}

Status GzipSource::Start() {
  if (zlib_ == nullptr) return Error("dlsym(3)", ENOSYS, "zlib");
  const int code = zlib_->inflate_init(&stream_, kGzipOfLargestWindow, zlib_->version(), sizeof stream_);
  if (code != kOk) return Error("inflateInit2(3)", code == kMemoryError ? ENOMEM : EINVAL, "zlib");
  is_started_ = true;
  if (zlib_->inflate_validate != nullptr) zlib_->inflate_validate(&stream_, kNoCheck);
  return Done{};
}

Result<bool> GzipSource::Fill() {
  CLOISTER_ASSIGN(n, compressed_.Read(input_.get(), kInputBytes));
  stream_.next_in = input_.get();
  stream_.avail_in = static_cast<unsigned>(n);
  return Result<bool>(n > 0);
}

Result<bool> GzipSource::NextMember() {
  if (stream_.avail_in == 0) {
    CLOISTER_ASSIGN(more, Fill());
    if (!more) return Result<bool>(false);
  }
  if (*stream_.next_in == 0) return Result<bool>(false);
  zlib_->inflate_reset(&stream_);
  return Result<bool>(true);
}

Status GzipSource::Drain() {
  for (;;) {
    CLOISTER_ASSIGN(more, Fill());
    if (!more) return Done{};
  }
}

Result<size_t> GzipSource::Read(void* buffer, size_t size) {
  if (is_done_ || size == 0) return Result<size_t>(0);
  if (!is_started_) CLOISTER_TRY(Start());
  const size_t most = std::min<size_t>(size, size_t{1} << 30);
  stream_.next_out = static_cast<uint8_t*>(buffer);
  stream_.avail_out = static_cast<unsigned>(most);
  while (stream_.avail_out > 0) {
    if (stream_.avail_in == 0) {
      CLOISTER_ASSIGN(more, Fill());
      if (!more) return Damaged("unexpected end of file");
    }
    const int code = zlib_->inflate(&stream_, kNoFlush);
    if (code == kStreamEnd) {
      CLOISTER_ASSIGN(goes_on, NextMember());
      if (goes_on) continue;
      CLOISTER_TRY(Drain());
      is_done_ = true;
      break;
    }
    if (code == kMemoryError) return Error("inflate(3)", ENOMEM, "zlib");
    // There is input and room for output: whatever else it says, it cannot go on.
    if (code != kOk) return Damaged(stream_.msg != nullptr ? stream_.msg : "it needs a dictionary");
  }
  return Result<size_t>(most - stream_.avail_out);
}

}  // namespace cloister::layers
