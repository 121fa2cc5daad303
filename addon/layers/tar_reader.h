// A pull parser of tar archives as layers use them: v7, ustar, star, PAX, GNU (long names, base-256 numbers, sparse files of
// all four kinds). It accepts what Go's archive/tar accepts, which is what containerd, Docker, Podman and umoci read layers
// with: the same bytes must not mean one tree there and another one here. In particular
// - sums over signed and over unsigned bytes are both right;
// - two blocks of zeroes end an archive, what follows them is not looked at; an archive that stops between two entries, or
//   after one block of zeroes, has ended, too;
// - global PAX headers are checked, but change no entry: every engine passes over them;
// - directories, links and devices have no data, whatever their size says.
// Unlike there, an unknown type is an error here, not at the caller.
//
// Nothing here trusts a length: extended headers and long names are bounded by a mebibyte, paths by 64 KiB.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../kernel/result.h"
#include "byte_source.h"
#include "fault.h"
#include "pax.h"
#include "sparse_map.h"
#include "tar_header.h"

namespace cloister::layers {

inline constexpr size_t kMaxExtendedHeaderBytes = size_t{1024} * 1024;
inline constexpr size_t kMaxPathBytes = size_t{64} * 1024;

struct TarEntry {
  enum class Kind { kFile, kHardLink, kSymlink, kCharDevice, kBlockDevice, kDirectory, kFifo };

  Kind kind = Kind::kFile;
  std::string path;   // as written: may be absolute, hold "..", or end with a slash; never holds a NUL
  std::string link;   // target of links
  uint32_t mode = 0;  // 07777
  uint64_t uid = 0;
  uint64_t gid = 0;
  int64_t mtime_s = 0;
  uint32_t mtime_ns = 0;       // forward from mtime_s, also before 1970
  uint64_t size = 0;           // of the data stored in the archive
  uint64_t real_size = 0;      // of the file: larger than `size` for a sparse one
  uint64_t data_offset = 0;    // of the first stored byte in the uncompressed archive
  uint64_t header_offset = 0;  // of the block that describes the entry, after its extended headers
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;  // names without NUL, values are bytes
  bool is_sparse = false;
  // Of a sparse file: where its stored bytes belong, in order, without overlap; all inside `real_size`, `size` together.
  std::vector<Extent> extents;
};

class TarReader {
 public:
  explicit TarReader(ByteSource& source) : input_(source) {}

  // Reads up to the next entry, passing over what is left of the current one; false at the archive's end.
  Result<bool> Next(TarEntry& entry);
  // Up to `size` stored bytes of the current entry, at least one until all of them were read.
  Result<size_t> Read(void* buffer, size_t size);
  // Reads what follows the archive's end, at most `limit` bytes: whoever sends it is not cut off and may check a digest.
  Status Drain(uint64_t limit);
  // Bytes of the archive read so far.
  uint64_t offset() const { return input_.offset(); }

 private:
  // What headers before an entry say about it.
  struct Extensions {
    bool any = false;
    PaxRecords pax;
    std::string long_path;
    std::string long_link;
  };

  Error FaultHere(FaultKind kind, const char* reason) const { return Fault(kind, header_offset_, path_, reason); }
  Status SkipData();
  Result<bool> ReadHeader(char* block, TarHeader& header);
  Result<bool> ReadExtension(const TarHeader& header, Extensions& extensions);
  Result<std::string> ReadSpecial(const TarHeader& header);
  Status Finish(const char* block, const TarHeader& header, Extensions& extensions, TarEntry& entry);
  Status SetNumbers(const TarHeader& header, const PaxRecords& pax, TarEntry& entry);
  Status SetSparse(const char* block, const TarHeader& header, const PaxRecords& pax, TarEntry& entry);
  Status ReadOldMap(const char* block, const TarHeader& header, TarEntry& entry);
  Status ReadLineMap(TarEntry& entry);

  BufferedInput input_;
  uint64_t header_offset_ = 0;
  std::string path_;      // of the current entry
  uint64_t left_ = 0;     // stored bytes of it to come
  uint64_t padding_ = 0;  // after them
  bool ended_ = false;
};

}  // namespace cloister::layers
