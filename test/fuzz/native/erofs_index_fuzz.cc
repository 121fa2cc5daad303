// Any archive gets an index or a fault. An index is sealed, says how long it is, keeps to its limits and is the same again.
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "../../../addon/kernel/unique_fd.h"
#include "../../../addon/layers/erofs_index.h"
#include "require.h"
#include "sign_headers.h"

namespace {

using cloister::UniqueFd;
using cloister::fuzz::Require;
using cloister::layers::IndexOptions;
using cloister::layers::IndexReport;
using cloister::layers::IndexTar;
using cloister::layers::MemorySource;

constexpr uint64_t kMaxEntries = 300;
constexpr uint64_t kMaxIndexBytes = 1 << 20;

UniqueFd EmptyFile() {
  UniqueFd file(memfd_create("index", MFD_CLOEXEC));
  Require(file.valid(), "memfd_create(2)");
  return file;
}

std::string Contents(int fd) {
  struct stat about = {};
  Require(fstat(fd, &about) == 0, "fstat(2)");
  std::string bytes(static_cast<size_t>(about.st_size), '\0');
  Require(pread(fd, bytes.data(), bytes.size(), 0) == about.st_size, "pread(2)");
  return bytes;
}

// Empty without an index.
std::string Index(const std::string& archive, const IndexOptions& options) {
  const UniqueFd file = EmptyFile();
  MemorySource source(archive.data(), archive.size());
  auto made = IndexTar(source, file.get(), options);
  auto seal = cloister::layers::erofs::CheckSeal(file.get());
  Require(made.ok() == seal.ok(), "a seal and an index go together");
  if (!made.ok()) {
    Require(made.error().code != 0 && made.error().call[0] != 0, "an error without a cause");
    return "";
  }
  const IndexReport& report = made.value();
  std::string bytes = Contents(file.get());
  Require(seal.value().image_bytes == bytes.size() && report.bytes == bytes.size(), "the length of the index");
  Require(seal.value().archive_bytes == report.archive_bytes && report.archive_bytes <= archive.size(), "the archive");
  Require(report.entries <= kMaxEntries, "more entries than are allowed");
  Require(bytes.size() <= kMaxIndexBytes + 2 * archive.size() + (1 << 16), "an index beyond its limit");
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string archive = cloister::fuzz::SignHeaders(data, size);
  IndexOptions options;
  strcpy(options.layer.text, "sha256:0a1b");
  options.max_entries = kMaxEntries;
  options.max_bytes = 1 << 24;
  options.max_index_bytes = kMaxIndexBytes;
  const std::string first = Index(archive, options);
  Require(Index(archive, options) == first, "another index for the same archive");
  return 0;
}
