#include "file_extents.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

namespace cloister::layers {
namespace {

constexpr uint64_t kMinHoles = uint64_t{1} << 20;  // of a file that is worth the sparse format
constexpr uint64_t kMinGap = uint64_t{64} << 10;
constexpr size_t kMaxRuns = 8192;

class Runs {
 public:
  void Add(uint64_t offset, uint64_t length) {
    if (!runs_.empty() && offset - End(runs_.back()) < min_gap_) {
      runs_.back().length = offset + length - runs_.back().offset;
      return;
    }
    runs_.push_back({offset, length});
    while (runs_.size() > kMaxRuns) Merge();
  }
  std::vector<Extent>& runs() { return runs_; }
  static uint64_t End(const Extent& extent) { return extent.offset + extent.length; }

 private:
  void Merge() {
    min_gap_ *= 2;
    std::vector<Extent> all;
    all.swap(runs_);
    for (const Extent& run : all) Add(run.offset, run.length);
  }

  uint64_t min_gap_ = kMinGap;
  std::vector<Extent> runs_;
};

}  // namespace

Result<std::vector<Extent>> FindExtents(int fd, uint64_t size) {
  using Extents = Result<std::vector<Extent>>;
  Runs runs;
  for (uint64_t at = 0; at < size;) {
    const off_t data = lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) return LastError("lseek(2)", "SEEK_DATA");
    const off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0 && errno == ENXIO) break;
    if (hole < 0) return LastError("lseek(2)", "SEEK_HOLE");
    const uint64_t begin = static_cast<uint64_t>(data);
    const uint64_t end = static_cast<uint64_t>(hole) < size ? static_cast<uint64_t>(hole) : size;
    // A file that somebody writes to may answer anything.
    if (begin >= size || end <= begin || begin < at) break;
    runs.Add(begin, end - begin);
    at = end;
  }
  uint64_t stored = 0;
  for (const Extent& run : runs.runs()) stored += run.length;
  if (size - stored < kMinHoles) return Extents(std::vector<Extent>());
  // As GNU tar ends the map of a file that ends with a hole; it also keeps the list of an empty one from being empty.
  if (runs.runs().empty() || Runs::End(runs.runs().back()) < size) runs.runs().push_back({size, 0});
  return Extents(std::move(runs.runs()));
}

}  // namespace cloister::layers
