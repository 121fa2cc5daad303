#include "erofs_sparse.h"

#include <algorithm>
#include <memory>

#include "erofs_layout.h"

namespace cloister::layers::erofs {
namespace {

// A run of data with its place in the archive.
struct Run {
  uint64_t offset;
  uint64_t end;
  uint64_t stored;
};

std::vector<Run> RunsOf(const TarEntry& entry) {
  std::vector<Run> runs;
  uint64_t stored = entry.data_offset;
  for (const Extent& extent : entry.extents) {
    if (extent.length == 0) continue;
    if (!runs.empty() && runs.back().end == extent.offset) {
      runs.back().end += extent.length;
    } else {
      runs.push_back({extent.offset, extent.offset + extent.length, stored});
    }
    stored += extent.length;
  }
  return runs;
}

struct Span {
  uint64_t begin;
  uint64_t end;  // the file's end in its last chunk
};

Span ChunkAt(uint64_t index, uint32_t bits, uint64_t size) {
  const uint64_t begin = index << bits;
  return {begin, std::min(begin + (uint64_t{1} << bits), size)};
}

// Blocks start at multiples of 512 in the file and in the archive, or the file's data is no block of the archive.
bool IsDirect(const Run& run, const Span& chunk) {
  return (run.stored - run.offset) % kBlock == 0 && run.offset <= chunk.begin && run.end >= chunk.end;
}

struct Cost {
  uint64_t table = 0;
  uint64_t copied = 0;
};

Cost CostOf(const std::vector<Run>& runs, uint32_t bits, uint64_t size) {
  Cost cost = {ChunkCount(size, bits) * sizeof(Chunk), 0};
  uint64_t counted = UINT64_MAX;  // the last chunk that is known to be copied
  const auto count = [&](uint64_t index) {
    if (index == counted) return;
    const Span chunk = ChunkAt(index, bits, size);
    cost.copied += RoundUp<uint64_t>(chunk.end - chunk.begin, kBlock);
    counted = index;
  };
  for (const Run& run : runs) {
    const uint64_t first = run.offset >> bits;
    const uint64_t last = (run.end - 1) >> bits;
    if (!IsDirect(run, ChunkAt(first, bits, size))) count(first);
    if (last == first) continue;
    // Between the two ends all chunks are of one kind.
    if (last - first > 1 && (run.stored - run.offset) % kBlock != 0) {
      cost.copied += (last - first - 1) << bits;
    }
    if (!IsDirect(run, ChunkAt(last, bits, size))) count(last);
  }
  return cost;
}

class Copier {
 public:
  Copier(const TarEntry& entry, TarReader& reader, ImageOutput& output)
      : entry_(entry), reader_(reader), output_(output), at_(entry.data_offset), buffer_(new char[kStep]) {}

  // Appends the chunk with the runs of it; `next` is the first run that ends behind the chunk's begin.
  Status Copy(const Span& chunk, const std::vector<Run>& runs, size_t next) {
    uint64_t at = chunk.begin;
    for (; next < runs.size() && runs[next].offset < chunk.end; next++) {
      const Run& run = runs[next];
      const uint64_t begin = std::max(run.offset, chunk.begin);
      const uint64_t end = std::min(run.end, chunk.end);
      CLOISTER_TRY(output_.AppendZeroes(begin - at));
      CLOISTER_TRY(Take(run.stored + (begin - run.offset), end - begin));
      at = end;
    }
    return output_.AppendZeroes(RoundUp<uint64_t>(chunk.end - chunk.begin, kBlock) - (at - chunk.begin));
  }

 private:
  static constexpr size_t kStep = size_t{64} * 1024;

  // `size` bytes of the archive from `from` on; what is before them is passed over.
  Status Take(uint64_t from, uint64_t size) {
    while (at_ < from + size) {
      const uint64_t wanted = at_ < from ? from - at_ : from + size - at_;
      CLOISTER_ASSIGN(n, reader_.Read(buffer_.get(), static_cast<size_t>(std::min<uint64_t>(wanted, kStep))));
      if (n == 0) return Fault(FaultKind::kCorrupt, at_, entry_.path, "its data is shorter than its map");
      if (at_ >= from) CLOISTER_TRY(output_.Append(buffer_.get(), n));
      at_ += n;
    }
    return Done{};
  }

  const TarEntry& entry_;
  TarReader& reader_;
  ImageOutput& output_;
  uint64_t at_;
  std::unique_ptr<char[]> buffer_;
};

// Small chunks make a long table, large ones copy more: the size where both together are least.
Result<uint32_t> ChooseChunkBits(const TarEntry& entry, const std::vector<Run>& runs, uint64_t max_overhead) {
  uint32_t best = kBlockBits;
  Cost least = {UINT64_MAX, 0};
  for (uint32_t bits = kBlockBits; bits <= WholeChunkBits(entry.real_size); bits++) {
    const Cost cost = CostOf(runs, bits, entry.real_size);
    if (least.table != UINT64_MAX && cost.table + cost.copied >= least.table + least.copied) continue;
    least = cost;
    best = bits;
  }
  const uint64_t padding = least.copied - std::min(least.copied, entry.size);
  if (least.table + padding > max_overhead) {
    return Fault(FaultKind::kLimit, entry.header_offset, entry.path, "its holes take more of an index than allowed");
  }
  return Result<uint32_t>(uint32_t{best});
}

}  // namespace

Result<ChunkedFile> ChunkSparseFile(const TarEntry& entry, uint64_t max_overhead, TarReader& reader,
                                    ImageOutput& output) {
  const std::vector<Run> runs = RunsOf(entry);
  CLOISTER_ASSIGN(bits, ChooseChunkBits(entry, runs, max_overhead));
  ChunkedFile file = {bits, {}};
  file.chunks.assign(ChunkCount(entry.real_size, bits), Chunk{0, 0, kNoBlock});
  Copier copier(entry, reader, output);
  uint64_t next_chunk = 0;
  for (size_t i = 0; i < runs.size(); i++) {
    const Run& run = runs[i];
    for (uint64_t index = std::max(next_chunk, run.offset >> bits); index <= (run.end - 1) >> bits; index++) {
      const Span chunk = ChunkAt(index, bits, entry.real_size);
      if (IsDirect(run, chunk)) {
        file.chunks[index] = {0, 1, static_cast<uint32_t>((run.stored + (chunk.begin - run.offset)) / kBlock)};
      } else {
        if (output.offset() / kBlock >= kNoBlock) {
          return Fault(FaultKind::kLimit, entry.header_offset, entry.path, "the index would be larger than 2 TiB");
        }
        file.chunks[index] = {0, 0, static_cast<uint32_t>(output.offset() / kBlock)};
        CLOISTER_TRY(copier.Copy(chunk, runs, i));
      }
      next_chunk = index + 1;
    }
  }
  return Result<ChunkedFile>(std::move(file));
}

}  // namespace cloister::layers::erofs
