#include "decompress.h"

#include <errno.h>

#include <utility>

#include "byte_source.h"
#include "gzip_source.h"
#include "hashed_output.h"

namespace cloister::layers {

Result<Decompressed> Decompress(int input, int output, const DecompressOptions& options) {
  FdSource plain(input);
  GzipSource gzip(plain);
  ByteSource& source = options.is_gzip ? static_cast<ByteSource&>(gzip) : plain;
  HashedOutput out(output, options.is_sha512);
  CLOISTER_TRY(out.Start());
  Decompressed result;
  for (;;) {
    CLOISTER_ASSIGN(room, out.Room());
    CLOISTER_ASSIGN(n, source.Read(room, HashedOutput::kPieceBytes));
    if (n == 0) break;
    result.bytes += n;
    if (result.bytes > options.max_bytes) return Error(kArchiveLimitCall, EFBIG);
    out.Add(n);
  }
  CLOISTER_ASSIGN(digest, out.Finish());
  result.digest = std::move(digest);
  return Result<Decompressed>(std::move(result));
}

}  // namespace cloister::layers
