#include "hashed_output.h"

#include <errno.h>

#include "../kernel/thread.h"
#include "node_libraries.h"
#include "stream_output.h"

namespace cloister::layers {
namespace {

constexpr unsigned kMaxDigestBytes = 64;

class Hash {
 public:
  explicit Hash(bool is_sha512) : evp_(FindEvp()) {
    if (evp_ == nullptr) return;
    context_ = evp_->context_new();
    if (context_ != nullptr && evp_->init(context_, is_sha512 ? evp_->sha512() : evp_->sha256(), nullptr) == 1) return;
    Free();
  }
  ~Hash() { Free(); }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;

  bool ok() const { return context_ != nullptr; }
  bool Update(const void* data, size_t size) { return evp_->update(context_, data, size) == 1; }
  // Empty when it fails.
  std::string Finish() {
    unsigned char bytes[kMaxDigestBytes];
    unsigned size = 0;
    std::string text;
    if (evp_->finish(context_, bytes, &size) != 1) return text;
    for (unsigned i = 0; i < size; i++) {
      text += "0123456789abcdef"[bytes[i] >> 4];
      text += "0123456789abcdef"[bytes[i] & 15];
    }
    return text;
  }

 private:
  void Free() {
    if (context_ != nullptr) evp_->context_free(context_);
    context_ = nullptr;
  }

  const Evp* evp_;
  void* context_ = nullptr;
};

Error NoHash() { return {"dlsym(3)", ENOSYS, "OpenSSL"}; }

}  // namespace

Status HashedOutput::Start() {
  for (Piece& piece : pieces_) piece.data.reset(new char[kPieceBytes]);
  CLOISTER_TRY(StartThread(thread_, Main, this));
  is_running_ = true;
  return Done{};
}

Result<char*> HashedOutput::Room() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return has_ended_ || added_ - written_ < kPieces; });
  if (!status_.ok()) return status_.error();
  return Result<char*>(pieces_[added_ % kPieces].data.get());
}

void HashedOutput::Add(size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  pieces_[added_++ % kPieces].size = size;
  changed_.notify_all();
}

Result<std::string> HashedOutput::Finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  is_complete_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return has_ended_; });
  if (!status_.ok()) return status_.error();
  return Result<std::string>(std::string(digest_));
}

void HashedOutput::Stop() {
  if (!is_running_) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_dropped_ = true;
    changed_.notify_all();
  }
  pthread_join(thread_, nullptr);
  is_running_ = false;
}

void* HashedOutput::Main(void* argument) {
  auto* self = static_cast<HashedOutput*>(argument);
  const Status done = self->Run();
  const std::lock_guard<std::mutex> lock(self->mutex_);
  self->status_ = done;
  self->has_ended_ = true;
  self->changed_.notify_all();
  return nullptr;
}

Status HashedOutput::Run() {
  StreamOutput out(fd_);
  Hash hash(is_sha512_);
  if (!hash.ok()) return NoHash();
  while (const Piece* piece = Await()) {
    if (!hash.Update(piece->data.get(), piece->size)) return NoHash();
    CLOISTER_TRY(out.Write(piece->data.get(), piece->size));
    Release();
  }
  CLOISTER_TRY(out.Flush());
  digest_ = hash.Finish();
  return digest_.empty() ? Status(NoHash()) : Status(Done{});
}

const HashedOutput::Piece* HashedOutput::Await() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return is_dropped_ || is_complete_ || added_ > written_; });
  return is_dropped_ || added_ == written_ ? nullptr : &pieces_[written_ % kPieces];
}

void HashedOutput::Release() {
  const std::lock_guard<std::mutex> lock(mutex_);
  written_++;
  changed_.notify_all();
}

}  // namespace cloister::layers
