// Any bytes are an archive or a fault, and what the reader says of an entry holds together. What is said does not depend on
// whether, and in which pieces, data are read.
#include <stdlib.h>

#include <string>
#include <vector>

#include "../../../addon/layers/tar_reader.h"
#include "sign_headers.h"

namespace {

using cloister::layers::Extent;
using cloister::layers::MemorySource;
using cloister::layers::TarEntry;
using cloister::layers::TarReader;

void Require(bool holds) {
  if (!holds) abort();
}

void Check(const TarEntry& entry, size_t archive_size) {
  Require(entry.path.find('\0') == std::string::npos && entry.link.find('\0') == std::string::npos);
  Require(entry.path.size() <= cloister::layers::kMaxPathBytes && entry.link.size() <= cloister::layers::kMaxPathBytes);
  Require(entry.mode <= 07777 && entry.mtime_ns < 1'000'000'000);
  Require(entry.header_offset < entry.data_offset && entry.data_offset <= archive_size);
  Require(entry.data_offset % cloister::layers::kBlockBytes == 0 || entry.data_offset == archive_size);
  Require(entry.kind == TarEntry::Kind::kFile || (entry.size == 0 && !entry.is_sparse));
  Require(entry.real_size <= INT64_MAX && (entry.is_sparse || entry.real_size == entry.size));
  uint64_t end = 0;
  uint64_t stored = 0;
  for (const Extent& extent : entry.extents) {
    Require(extent.offset >= end && extent.length <= entry.real_size - extent.offset);
    end = extent.offset + extent.length;
    stored += extent.length;
  }
  Require(!entry.is_sparse || stored == entry.size);
  for (const auto& [name, value] : entry.xattrs) Require(!name.empty() && name.find('\0') == std::string::npos);
}

// One line for each entry, and how it ended. `piece`: bytes to read at a time, 0 to pass over data.
std::vector<std::string> Describe(const std::string& archive, size_t piece) {
  std::vector<std::string> lines;
  MemorySource source(archive.data(), archive.size());
  TarReader reader(source);
  TarEntry entry;
  std::string buffer(piece, '\0');
  for (;;) {
    auto found = reader.Next(entry);
    if (!found.ok() || !found.value()) {
      // Where data are missing is found out while reading them or afterwards.
      lines.emplace_back(found.ok() ? "end" : "fault");
      return lines;
    }
    Check(entry, archive.size());
    lines.push_back(std::to_string(entry.header_offset) + " " + std::to_string(entry.size) + " " + entry.path);
    for (uint64_t left = entry.size; piece > 0 && left > 0;) {
      auto got = reader.Read(buffer.data(), piece);
      if (!got.ok()) {
        lines.emplace_back("fault");
        return lines;
      }
      Require(got.value() > 0 && got.value() <= left);
      left -= got.value();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string archive = cloister::fuzz::SignHeaders(data, size);
  const std::vector<std::string> passed_over = Describe(archive, 0);
  Require(Describe(archive, 1000) == passed_over);
  if (size < 4096) Require(Describe(archive, 1) == passed_over);
  return 0;
}
