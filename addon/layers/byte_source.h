// Where an archive's bytes come from, and a buffer in front of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>

#include "../kernel/result.h"

namespace cloister::layers {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes; 0 at the end.
  virtual Result<size_t> Read(void* buffer, size_t size) = 0;
  // Passes over up to `size` bytes without reading them, as far as the source can; 0 when it cannot.
  virtual Result<uint64_t> Skip(uint64_t size);
};

// A descriptor that stays the caller's: a pipe, a socket or a file. Of a file, what is skipped is not read.
class FdSource final : public ByteSource {
 public:
  explicit FdSource(int fd);
  Result<size_t> Read(void* buffer, size_t size) override;
  Result<uint64_t> Skip(uint64_t size) override;

 private:
  int fd_;
  bool is_file_ = false;
};

// A file that somebody else still appends to. Its end is the archive's only once that one has finished.
class GrowingFile final : public ByteSource {
 public:
  // `writer` is the read end of a pipe, whose other end is closed when the file is whole. Both stay the caller's.
  GrowingFile(int fd, int writer) : file_(fd), writer_(writer) {}
  Result<size_t> Read(void* buffer, size_t size) override;
  Result<uint64_t> Skip(uint64_t size) override;

 private:
  Status Wait();

  FdSource file_;
  int writer_;
  bool is_whole_ = false;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(const void* data, size_t size) : data_(static_cast<const char*>(data)), left_(size) {}
  Result<size_t> Read(void* buffer, size_t size) override;

 private:
  const char* data_;
  size_t left_;
};

// Small reads cost a copy, large ones go straight through.
class BufferedInput {
 public:
  explicit BufferedInput(ByteSource& source);

  // Reads `size` bytes, fewer only where the source ends.
  Result<size_t> ReadFull(void* buffer, size_t size);
  // Some bytes, at least one; 0 at the end.
  Result<size_t> ReadSome(void* buffer, size_t size);
  // Passes over `size` bytes, fewer only where the source ends.
  Result<uint64_t> Skip(uint64_t size);
  // Bytes handed out and skipped so far.
  uint64_t offset() const { return offset_; }

 private:
  Result<bool> Fill();
  size_t Take(void* buffer, size_t size);

  ByteSource& source_;
  std::unique_ptr<char[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace cloister::layers
