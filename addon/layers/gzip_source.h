// What gzip, RFC 1952, has made of an archive: any number of members. Zeroes may follow the last one, and then anything, which is
// read and not looked at, as Node's own zlib has it. Its CRC-32 is not computed where zlib can leave it out (inflateValidate, 4 % of
// the time): a layer is compared with the digest of its archive, whatever that says.
#pragma once

#include <memory>

#include "byte_source.h"
#include "node_libraries.h"

namespace cloister::layers {

// Bytes that are no gzip are an error of this call.
inline constexpr const char* kGzipCall = "gzip(1)";

class GzipSource final : public ByteSource {
 public:
  // `compressed` stays the caller's.
  explicit GzipSource(ByteSource& compressed);
  ~GzipSource() override;
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  Result<size_t> Read(void* buffer, size_t size) override;

 private:
  Status Start();
  // False at the end of what is compressed.
  Result<bool> Fill();
  // False when nothing follows the member that has ended.
  Result<bool> NextMember();
  Status Drain();

  ByteSource& compressed_;
  const Zlib* zlib_;
  ZStream stream_ = {};
  bool is_started_ = false;
  bool is_done_ = false;
  std::unique_ptr<uint8_t[]> input_;
};

}  // namespace cloister::layers
