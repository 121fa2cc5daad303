// Writes tar archives in PAX format, pax(1): plain ustar headers, with extended ones only for what does not fit. Nothing of the
// machine shows in them: no user names, no times but those of the files.
#pragma once

#include <stdint.h>

#include <string>
#include <utility>
#include <vector>

#include "../kernel/result.h"
#include "sparse_map.h"
#include "stream_output.h"

namespace cloister::layers {

struct TarMember {
  enum class Kind : char {
    kFile = '0',
    kHardLink = '1',
    kSymlink = '2',
    kCharDevice = '3',
    kBlockDevice = '4',
    kDirectory = '5',
    kFifo = '6',
  };
  Kind kind = Kind::kFile;
  std::string path;  // relative; a directory's gets its slash here
  std::string link;
  uint32_t mode = 0;  // 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime_s = 0;
  uint32_t mtime_ns = 0;
  uint64_t size = 0;  // of a file
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
  // Of a file with holes: where its data belongs. Written in GNU's format 1.0, which Go, Python and bsdtar read, too.
  bool is_sparse = false;
  std::vector<Extent> extents;
};

class TarWriter {
 public:
  explicit TarWriter(StreamOutput& output) : output_(output) {}

  // Writes the headers of a member. What follows a file's is its data, `size` bytes or those of its extents, then End.
  Status Begin(const TarMember& member);
  // Fills up the last block.
  Status End();
  // The end of the archive.
  Status Finish();

 private:
  Status WriteExtended(const TarMember& member, const std::string& records);

  StreamOutput& output_;
};

}  // namespace cloister::layers
