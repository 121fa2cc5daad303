// Bytes on their way to a file or a pipe, hashed and written by a thread of their own: whoever makes them goes on meanwhile.
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "../kernel/result.h"

namespace cloister::layers {

class HashedOutput {
 public:
  // Small enough to be in a processor's cache still when it is hashed and written.
  static constexpr size_t kPieceBytes = size_t{256} * 1024;

  // `fd` stays the caller's, and open as long as this lives; it may be one that does not block.
  HashedOutput(int fd, bool is_sha512) : fd_(fd), is_sha512_(is_sha512) {}
  // Waits for the piece that is being written; those after it are dropped.
  ~HashedOutput() { Stop(); }
  HashedOutput(const HashedOutput&) = delete;
  HashedOutput& operator=(const HashedOutput&) = delete;

  Status Start();
  // Where the next piece is to be put, at most `kPieceBytes`; waits while all are on their way. Fails as the writing did.
  Result<char*> Room();
  // The piece is there; `Room` gives the next one.
  void Add(size_t size);
  // Waits until everything was written. The digest in hexadecimal digits.
  Result<std::string> Finish();

 private:
  struct Piece {
    std::unique_ptr<char[]> data;
    size_t size = 0;
  };

  static void* Main(void* self);
  Status Run();
  // The next piece that was added, or null at the end.
  const Piece* Await();
  void Release();
  void Stop();

  static constexpr size_t kPieces = 4;

  int fd_;
  bool is_sha512_;
  bool is_running_ = false;
  pthread_t thread_ = {};
  Piece pieces_[kPieces];
  std::string digest_;

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t added_ = 0;
  uint64_t written_ = 0;
  bool is_complete_ = false;  // nothing is added any more
  bool is_dropped_ = false;   // nobody wants what was not written yet
  bool has_ended_ = false;
  Status status_;
};

}  // namespace cloister::layers
