#include "tar_reader.h"

#include <algorithm>

namespace cloister::layers {
namespace {

constexpr const char* kEndsInside = "the archive ends inside of it";

uint64_t PaddingOf(uint64_t size) { return (kBlockBytes - size % kBlockBytes) % kBlockBytes; }

bool KindOf(char type, const std::string& path, TarEntry::Kind& kind) {
  switch (type) {
    case 0:  // before POSIX a directory was a file whose name ends with a slash
      kind = path.ends_with('/') ? TarEntry::Kind::kDirectory : TarEntry::Kind::kFile;
      return true;
    case '0':
    case '7':  // contiguous, which Linux knows nothing of
    case 'S':  // sparse, old GNU format
      kind = TarEntry::Kind::kFile;
      return true;
    case '1':
      kind = TarEntry::Kind::kHardLink;
      return true;
    case '2':
      kind = TarEntry::Kind::kSymlink;
      return true;
    case '3':
      kind = TarEntry::Kind::kCharDevice;
      return true;
    case '4':
      kind = TarEntry::Kind::kBlockDevice;
      return true;
    case '5':
      kind = TarEntry::Kind::kDirectory;
      return true;
    case '6':
      kind = TarEntry::Kind::kFifo;
      return true;
    default:
      return false;
  }
}

// The version of a sparse file in PAX form as Go tells it; 0.0 and 0.1 need not say theirs.
enum class SparseForm { kNone, kRecords, kLines };

SparseForm SparseFormOf(const PaxRecords& pax) {
  if (pax.sparse_major == "1" && pax.sparse_minor == "0") return SparseForm::kLines;
  if (pax.sparse_major == "0" && (pax.sparse_minor == "0" || pax.sparse_minor == "1")) return SparseForm::kRecords;
  if (!pax.sparse_major.empty() || !pax.sparse_minor.empty()) return SparseForm::kNone;
  return pax.sparse_map.empty() && pax.sparse_pairs.empty() ? SparseForm::kNone : SparseForm::kRecords;
}

}  // namespace

Status TarReader::SkipData() {
  CLOISTER_ASSIGN(passed, input_.Skip(left_));
  if (passed < left_) return FaultHere(FaultKind::kTruncated, kEndsInside);
  // The last entry's padding may be missing: the next header is then the end.
  CLOISTER_TRY(input_.Skip(padding_));
  left_ = 0;
  padding_ = 0;
  return Done{};
}

Result<bool> TarReader::ReadHeader(char* block, TarHeader& header) {
  header_offset_ = input_.offset();
  CLOISTER_ASSIGN(size, input_.ReadFull(block, kBlockBytes));
  if (size == 0) return Result<bool>(false);
  if (size < kBlockBytes) return FaultHere(FaultKind::kTruncated, "the archive ends inside of a header");
  if (IsZeroBlock(block)) {
    CLOISTER_ASSIGN(second, input_.ReadFull(block, kBlockBytes));
    if (second == 0 || (second == kBlockBytes && IsZeroBlock(block))) return Result<bool>(false);
    if (second < kBlockBytes) return FaultHere(FaultKind::kTruncated, "the archive ends inside of its end mark");
    return FaultHere(FaultKind::kCorrupt, "a single block of zeroes amid the archive");
  }
  if (const char* fault = DecodeHeader(block, header)) return FaultHere(FaultKind::kCorrupt, fault);
  return Result<bool>(true);
}

Result<std::string> TarReader::ReadSpecial(const TarHeader& header) {
  if (header.size < 0) return FaultHere(FaultKind::kCorrupt, "an extended header of negative size");
  const auto size = static_cast<uint64_t>(header.size);
  if (size > kMaxExtendedHeaderBytes) return FaultHere(FaultKind::kLimit, "an extended header of more than 1 MiB");
  std::string data(static_cast<size_t>(size), '\0');
  CLOISTER_ASSIGN(got, input_.ReadFull(data.data(), data.size()));
  if (got < size) return FaultHere(FaultKind::kTruncated, "the archive ends inside of an extended header");
  CLOISTER_TRY(input_.Skip(PaddingOf(size)));
  return Result<std::string>(std::move(data));
}

// False when the header is that of an entry.
Result<bool> TarReader::ReadExtension(const TarHeader& header, Extensions& extensions) {
  const char type = header.type;
  const bool is_global = type == 'g';
  const bool is_pax = is_global || type == 'x' || type == 'X';  // X: Solaris
  if (!is_pax && type != 'L' && type != 'K') return Result<bool>(false);

  CLOISTER_ASSIGN(data, ReadSpecial(header));
  if (is_pax) {
    PaxRecords records;
    if (const char* fault = ParsePax(data, records)) return FaultHere(FaultKind::kCorrupt, fault);
    // In Go a global header is an entry: what was said before it is said of it.
    if (is_global) {
      extensions = Extensions();
    } else {
      extensions.pax = std::move(records);
    }
  } else {
    (type == 'L' ? extensions.long_path : extensions.long_link) = ParseText(data.data(), data.size());
  }
  extensions.any = !is_global;
  return Result<bool>(true);
}

Result<bool> TarReader::Next(TarEntry& entry) {
  if (ended_) return Result<bool>(false);
  CLOISTER_TRY(SkipData());
  Extensions extensions;
  char block[kBlockBytes];
  for (;;) {
    TarHeader header;
    CLOISTER_ASSIGN(found, ReadHeader(block, header));
    if (!found) {
      if (extensions.any) return FaultHere(FaultKind::kTruncated, "the archive ends after an extended header");
      ended_ = true;
      return Result<bool>(false);
    }
    path_ = header.path;
    CLOISTER_ASSIGN(extension, ReadExtension(header, extensions));
    if (extension) continue;
    entry = TarEntry();
    CLOISTER_TRY(Finish(block, header, extensions, entry));
    return Result<bool>(true);
  }
}

Status TarReader::SetNumbers(const TarHeader& header, const PaxRecords& pax, TarEntry& entry) {
  const int64_t uid = pax.uid.value_or(header.uid);
  const int64_t gid = pax.gid.value_or(header.gid);
  const int64_t size = pax.size.value_or(header.size);
  if (uid < 0 || gid < 0) return FaultHere(FaultKind::kCorrupt, "a negative owner");
  if (header.dev_major < 0 || header.dev_major > UINT32_MAX || header.dev_minor < 0 || header.dev_minor > UINT32_MAX) {
    return FaultHere(FaultKind::kCorrupt, "a device number out of range");
  }
  entry.uid = static_cast<uint64_t>(uid);
  entry.gid = static_cast<uint64_t>(gid);
  entry.dev_major = static_cast<uint32_t>(header.dev_major);
  entry.dev_minor = static_cast<uint32_t>(header.dev_minor);
  entry.mode = header.mode;
  const PaxTime mtime = pax.mtime.value_or(PaxTime{header.mtime_s, 0});
  entry.mtime_s = mtime.seconds;
  entry.mtime_ns = mtime.nanoseconds;
  if (entry.kind != TarEntry::Kind::kFile) return Done{};
  if (size < 0) return FaultHere(FaultKind::kCorrupt, "a negative size");
  entry.size = static_cast<uint64_t>(size);
  entry.real_size = entry.size;
  return Done{};
}

Status TarReader::Finish(const char* block, const TarHeader& header, Extensions& extensions, TarEntry& entry) {
  PaxRecords& pax = extensions.pax;
  entry.header_offset = header_offset_;
  entry.path = pax.path.value_or(header.path);
  entry.link = pax.link.value_or(header.link);
  if (!extensions.long_path.empty()) entry.path = std::move(extensions.long_path);
  if (!extensions.long_link.empty()) entry.link = std::move(extensions.long_link);
  path_ = entry.path;
  if (!KindOf(header.type, entry.path, entry.kind)) {
    return FaultHere(FaultKind::kUnsupported, "an entry of a type that is none of a layer's");
  }
  CLOISTER_TRY(SetNumbers(header, pax, entry));
  left_ = entry.size;
  padding_ = PaddingOf(entry.size);
  CLOISTER_TRY(SetSparse(block, header, pax, entry));
  if (entry.path.size() > kMaxPathBytes || entry.link.size() > kMaxPathBytes) {
    return FaultHere(FaultKind::kLimit, "a path of more than 64 KiB");
  }
  entry.data_offset = input_.offset();
  entry.xattrs = std::move(pax.xattrs);
  return Done{};
}

Status TarReader::SetSparse(const char* block, const TarHeader& header, const PaxRecords& pax, TarEntry& entry) {
  const SparseForm form = SparseFormOf(pax);
  const bool is_old = header.type == 'S';
  if (!is_old && form == SparseForm::kNone) return Done{};
  entry.is_sparse = true;
  if (is_old) {
    CLOISTER_TRY(ReadOldMap(block, header, entry));
  } else {
    if (entry.kind != TarEntry::Kind::kFile) return FaultHere(FaultKind::kCorrupt, "a sparse map on what is no file");
    if (!pax.sparse_name.empty()) path_ = entry.path = pax.sparse_name;
    const std::string& size = pax.sparse_size.empty() ? pax.sparse_real_size : pax.sparse_size;
    int64_t real_size = static_cast<int64_t>(entry.size);
    if (!size.empty() && (!ParseDecimal(size, real_size) || real_size < 0)) {
      return FaultHere(FaultKind::kCorrupt, "the sparse file's size is no number");
    }
    entry.real_size = static_cast<uint64_t>(real_size);
    if (form == SparseForm::kLines) {
      CLOISTER_TRY(ReadLineMap(entry));
    } else {
      const char* fault = pax.sparse_pairs.empty() ? MapFromText(pax.sparse_map, entry.extents)
                                                   : MapFromPairs(pax.sparse_pairs, entry.extents);
      if (fault != nullptr) return FaultHere(FaultKind::kCorrupt, fault);
    }
  }
  if (const char* fault = CheckMap(entry.extents, entry.size, entry.real_size))
    return FaultHere(FaultKind::kCorrupt, fault);
  return Done{};
}

// https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html, "Old GNU Format".
Status TarReader::ReadOldMap(const char* block, const TarHeader& header, TarEntry& entry) {
  constexpr size_t kInHeader = 386;
  constexpr size_t kMoreInHeader = 482;
  constexpr size_t kRealSize = 483;
  constexpr size_t kMoreInBlock = 504;
  int64_t real_size;
  if (header.format != TarHeader::Format::kGnu)
    return FaultHere(FaultKind::kCorrupt, "a sparse file outside of GNU's format");
  if (!ParseNumber(block + kRealSize, 12, real_size) || real_size < 0) {
    return FaultHere(FaultKind::kCorrupt, "the sparse file's size is no number");
  }
  entry.real_size = static_cast<uint64_t>(real_size);
  const char* fault = MapFromBlock(block + kInHeader, 4, entry.extents);
  char more[kBlockBytes];
  size_t blocks = 0;
  for (bool has_more = block[kMoreInHeader] != 0; has_more && fault == nullptr; has_more = more[kMoreInBlock] != 0) {
    if (++blocks > kMaxExtents / 21) return FaultHere(FaultKind::kLimit, kTooManyExtents);
    CLOISTER_ASSIGN(size, input_.ReadFull(more, sizeof more));
    if (size < sizeof more) return FaultHere(FaultKind::kTruncated, "the archive ends inside of a sparse map");
    fault = MapFromBlock(more, 21, entry.extents);
  }
  return fault == nullptr ? Status() : FaultHere(FaultKind::kCorrupt, fault);
}

Status TarReader::ReadLineMap(TarEntry& entry) {
  LineMap lines;
  bool done = false;
  uint64_t total = 0;
  while (!done) {
    char block[kBlockBytes];
    const size_t size = static_cast<size_t>(std::min<uint64_t>(sizeof block, left_));
    if (size == 0) return FaultHere(FaultKind::kCorrupt, "the sparse map does not end");
    total += size;
    if (total > kMaxExtendedHeaderBytes) return FaultHere(FaultKind::kLimit, kTooManyExtents);
    CLOISTER_ASSIGN(got, input_.ReadFull(block, size));
    if (got < size) return FaultHere(FaultKind::kTruncated, "the archive ends inside of a sparse map");
    left_ -= size;
    if (const char* fault = lines.Feed({block, size}, entry.extents, done))
      return FaultHere(FaultKind::kCorrupt, fault);
  }
  entry.size = left_;
  return Done{};
}

Result<size_t> TarReader::Read(void* buffer, size_t size) {
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(size, left_));
  if (wanted == 0) return Result<size_t>(0);
  CLOISTER_ASSIGN(got, input_.ReadSome(buffer, wanted));
  if (got == 0) return FaultHere(FaultKind::kTruncated, kEndsInside);
  left_ -= got;
  return Result<size_t>(size_t{got});
}

Status TarReader::Drain(uint64_t limit) {
  ended_ = true;
  CLOISTER_ASSIGN(passed, input_.Skip(limit));
  if (passed < limit) return Done{};
  char beyond;
  CLOISTER_ASSIGN(more, input_.ReadSome(&beyond, 1));
  if (more > 0) return Fault(FaultKind::kLimit, offset(), "", "too much data after the archive's end");
  return Done{};
}

}  // namespace cloister::layers
