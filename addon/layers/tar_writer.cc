#include "tar_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <string_view>

#include "tar_header.h"

namespace cloister::layers {
namespace {

// POSIX ustar, pax(1).
struct Header {
  char name[100] = {};
  char mode[8] = {};
  char uid[8] = {};
  char gid[8] = {};
  char size[12] = {};
  char mtime[12] = {};
  char checksum[8] = {};
  char type = 0;
  char link[100] = {};
  char magic[6] = {'u', 's', 't', 'a', 'r', '\0'};
  char version[2] = {'0', '0'};
  char user[32] = {};
  char group[32] = {};
  char dev_major[8] = {};
  char dev_minor[8] = {};
  char prefix[155] = {};
  char rest[12] = {};
};
static_assert(sizeof(Header) == kBlockBytes);

template <size_t N>
constexpr uint64_t kOctalMax = (uint64_t{1} << (3 * (N - 1))) - 1;

template <size_t N>
void SetOctal(char (&field)[N], uint64_t value) {
  char text[24];
  // What does not fit is said in an extended header.
  snprintf(text, sizeof text, "%0*" PRIo64, static_cast<int>(N - 1), value <= kOctalMax<N> ? value : 0);
  memcpy(field, text, N);
}

template <size_t N>
void SetText(char (&field)[N], std::string_view text) {
  memcpy(field, text.data(), text.size() < N ? text.size() : N);
}

void SetChecksum(Header& header) {
  memset(header.checksum, ' ', sizeof header.checksum);
  unsigned sum = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  for (size_t i = 0; i < sizeof header; i++) sum += bytes[i];
  snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
  header.checksum[7] = ' ';
}

// The length counts itself, pax(1).
void AddRecord(std::string& records, std::string_view key, std::string_view value) {
  const size_t body = key.size() + value.size() + 3;  // blank, '=' and newline
  size_t length = body + 1;
  while (length != body + std::to_string(length).size()) length = body + std::to_string(length).size();
  records += std::to_string(length);
  records += ' ';
  records += key;
  records += '=';
  records += value;
  records += '\n';
}

std::string TimeText(int64_t seconds, uint32_t nanoseconds) {
  const bool is_negative = seconds < 0 && nanoseconds > 0;
  if (is_negative) {
    seconds += 1;
    nanoseconds = 1'000'000'000 - nanoseconds;
  }
  char fraction[16] = "";
  if (nanoseconds > 0) snprintf(fraction, sizeof fraction, ".%09" PRIu32, nanoseconds);
  std::string text = std::to_string(seconds) + fraction;
  if (is_negative && seconds == 0) text.insert(0, "-");
  while (nanoseconds > 0 && text.back() == '0') text.pop_back();
  return text;
}

// Format 1.0: the map as text in front of the data. https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html
std::string MapText(const TarMember& member) {
  std::string text = std::to_string(member.extents.size()) + '\n';
  for (const Extent& extent : member.extents) {
    text += std::to_string(extent.offset) + '\n' + std::to_string(extent.length) + '\n';
  }
  text.resize((text.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
  return text;
}

uint64_t StoredSize(const TarMember& member) {
  if (!member.is_sparse) return member.size;
  uint64_t size = MapText(member).size();
  for (const Extent& extent : member.extents) size += extent.length;
  return size;
}

std::string StoredPath(const TarMember& member) {
  const bool needs_slash = member.kind == TarMember::Kind::kDirectory && !member.path.ends_with('/');
  return needs_slash ? member.path + '/' : member.path;
}

std::string RecordsOf(const TarMember& member, const std::string& path, uint64_t size) {
  std::string records;
  if (member.is_sparse) {
    AddRecord(records, "GNU.sparse.major", "1");
    AddRecord(records, "GNU.sparse.minor", "0");
    AddRecord(records, "GNU.sparse.name", path);
    AddRecord(records, "GNU.sparse.realsize", std::to_string(member.size));
  } else if (path.size() > sizeof Header().name) {
    AddRecord(records, "path", path);
  }
  if (member.link.size() > sizeof Header().link) AddRecord(records, "linkpath", member.link);
  if (member.uid > kOctalMax<8>) AddRecord(records, "uid", std::to_string(member.uid));
  if (member.gid > kOctalMax<8>) AddRecord(records, "gid", std::to_string(member.gid));
  if (size > kOctalMax<12>) AddRecord(records, "size", std::to_string(size));
  const bool is_plain_time =
      member.mtime_ns == 0 && member.mtime_s >= 0 && static_cast<uint64_t>(member.mtime_s) <= kOctalMax<12>;
  if (!is_plain_time) AddRecord(records, "mtime", TimeText(member.mtime_s, member.mtime_ns));
  for (const auto& [name, value] : member.xattrs) AddRecord(records, "SCHILY.xattr." + name, value);
  return records;
}

std::string_view BaseName(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

Status TarWriter::WriteExtended(const TarMember& member, const std::string& records) {
  Header header;
  SetText(header.name, "PaxHeaders.0/" + std::string(BaseName(member.path).substr(0, 80)));
  SetOctal(header.mode, 0644);
  SetOctal(header.uid, 0);
  SetOctal(header.gid, 0);
  SetOctal(header.size, records.size());
  SetOctal(header.mtime, 0);
  header.type = 'x';
  SetOctal(header.dev_major, 0);
  SetOctal(header.dev_minor, 0);
  SetChecksum(header);
  CLOISTER_TRY(output_.Write(&header, sizeof header));
  CLOISTER_TRY(output_.Write(records));
  return End();
}

Status TarWriter::Begin(const TarMember& member) {
  const std::string path = StoredPath(member);
  const uint64_t size = member.kind == TarMember::Kind::kFile ? StoredSize(member) : 0;
  const std::string records = RecordsOf(member, path, size);
  if (!records.empty()) CLOISTER_TRY(WriteExtended(member, records));

  Header header;
  const std::string sparse_name = "GNUSparseFile.0/" + std::string(BaseName(path).substr(0, 80));
  SetText(header.name, member.is_sparse ? sparse_name : path);
  SetOctal(header.mode, member.mode);
  SetOctal(header.uid, member.uid);
  SetOctal(header.gid, member.gid);
  SetOctal(header.size, size);
  SetOctal(header.mtime, member.mtime_s < 0 ? 0 : static_cast<uint64_t>(member.mtime_s));
  header.type = static_cast<char>(member.kind);
  SetText(header.link, member.link);
  SetOctal(header.dev_major, member.dev_major);
  SetOctal(header.dev_minor, member.dev_minor);
  SetChecksum(header);
  CLOISTER_TRY(output_.Write(&header, sizeof header));
  return member.is_sparse ? output_.Write(MapText(member)) : Status();
}

Status TarWriter::End() { return output_.WriteZeroes((kBlockBytes - output_.bytes() % kBlockBytes) % kBlockBytes); }

Status TarWriter::Finish() {
  CLOISTER_TRY(output_.WriteZeroes(2 * kBlockBytes));
  return output_.Flush();
}

}  // namespace cloister::layers
