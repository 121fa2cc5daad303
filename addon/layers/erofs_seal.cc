#include "erofs_seal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "crc32c.h"
#include "erofs_format.h"
#include "image_output.h"

namespace cloister::layers::erofs {
namespace {

constexpr char kSealMagic[] = "cloister.erofs.1";
constexpr size_t kStep = size_t{256} * 1024;

Error Broken(const char* why) { return Error("layer index", EUCLEAN, why); }

Result<uint32_t> ChecksumOf(int fd, Seal seal) {
  seal.checksum = 0;
  uint32_t crc = Crc32c(kCrc32cStart, &seal, sizeof seal);
  const std::unique_ptr<char[]> buffer(new char[kStep]);
  for (uint64_t at = sizeof seal; at < seal.image_bytes;) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(kStep, seal.image_bytes - at));
    CLOISTER_ASSIGN(whole, ReadAt(fd, buffer.get(), size, at));
    if (!whole) return Broken("it ends too early");
    crc = Crc32c(crc, buffer.get(), size);
    at += size;
  }
  return Result<uint32_t>(uint32_t{crc});
}

}  // namespace

Status WriteSeal(int fd, uint64_t image_bytes, uint64_t archive_bytes, uint64_t entries, const LayerDigest& layer) {
  Seal seal = {};
  memcpy(seal.magic, kSealMagic, sizeof seal.magic);
  seal.image_bytes = image_bytes;
  seal.archive_bytes = archive_bytes;
  seal.entries = entries;
  seal.layer = layer;
  CLOISTER_ASSIGN(checksum, ChecksumOf(fd, seal));
  seal.checksum = checksum;
  return WriteAt(fd, &seal, sizeof seal, 0);
}

Result<Seal> CheckSeal(int fd) {
  Seal seal;
  struct stat about;
  if (fstat(fd, &about) != 0) return LastError("fstat(2)", "layer index");
  CLOISTER_ASSIGN(whole, ReadAt(fd, &seal, sizeof seal, 0));
  if (!whole || memcmp(seal.magic, kSealMagic, sizeof seal.magic) != 0)
    return Broken("it is no index, or was not finished");
  if (seal.image_bytes != static_cast<uint64_t>(about.st_size)) return Broken("its size is not what it was");
  CLOISTER_ASSIGN(checksum, ChecksumOf(fd, seal));
  if (checksum != seal.checksum) return Broken("its checksum does not match");
  return Result<Seal>(Seal(seal));
}

}  // namespace cloister::layers::erofs
