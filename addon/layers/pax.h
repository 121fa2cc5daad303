// The records of a PAX extended header, pax(1): "LENGTH KEYWORD=VALUE\n".
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sparse_map.h"

namespace cloister::layers {

// More than a kernel lists of one file, whose names have to fit into 64 KiB, xattr(7).
inline constexpr size_t kMaxXattrs = 1024;

struct PaxTime {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;  // forward, also before 1970
};

// What one extended header says about the entry after it. Keywords that unpacking has no use for are passed over.
struct PaxRecords {
  std::optional<std::string> path;
  std::optional<std::string> link;
  std::optional<int64_t> uid;
  std::optional<int64_t> gid;
  std::optional<int64_t> size;
  std::optional<PaxTime> mtime;
  std::vector<std::pair<std::string, std::string>> xattrs;

  // GNU.sparse.*; https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html
  std::string sparse_major;
  std::string sparse_minor;
  std::string sparse_name;
  std::string sparse_size;
  std::string sparse_real_size;
  std::string sparse_map;             // 0.1: "offset,length,offset,length"
  std::vector<int64_t> sparse_pairs;  // 0.0: the same, a record for each number
};

// Null on success, else what is wrong with the records.
const char* ParsePax(std::string_view data, PaxRecords& records);

// A decimal number with an optional sign; false when it is none or does not fit.
bool ParseDecimal(std::string_view text, int64_t& number);

}  // namespace cloister::layers
