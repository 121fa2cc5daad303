#include "decompress.h"

#include <errno.h>

#include <memory>

#include "byte_source.h"
#include "gzip_source.h"
#include "node_libraries.h"
#include "stream_output.h"

namespace cloister::layers {
namespace {

// Stays in a processor's cache between the steps.
constexpr size_t kBufferBytes = size_t{256} * 1024;
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

Result<Decompressed> Decompress(int input, int output, const DecompressOptions& options) {
  FdSource plain(input);
  GzipSource gzip(plain);
  ByteSource& source = options.is_gzip ? static_cast<ByteSource&>(gzip) : plain;
  StreamOutput out(output);
  Hash hash(options.is_sha512);
  if (!hash.ok()) return NoHash();
  const std::unique_ptr<char[]> buffer(new char[kBufferBytes]);
  Decompressed result;
  for (;;) {
    CLOISTER_ASSIGN(n, source.Read(buffer.get(), kBufferBytes));
    if (n == 0) break;
    result.bytes += n;
    if (result.bytes > options.max_bytes) return Error(kArchiveLimitCall, EFBIG);
    if (!hash.Update(buffer.get(), n)) return NoHash();
    CLOISTER_TRY(out.Write(buffer.get(), n));
  }
  CLOISTER_TRY(out.Flush());
  result.digest = hash.Finish();
  if (result.digest.empty()) return NoHash();
  return Result<Decompressed>(std::move(result));
}

}  // namespace cloister::layers
