#include "tar_header.h"

#include <string.h>

#include <algorithm>
#include <string_view>

namespace cloister::layers {
namespace {

struct Field {
  size_t offset;
  size_t size;
};

// https://www.gnu.org/software/tar/manual/html_node/Standard.html; star's prefix is shorter: two times follow it.
constexpr Field kName = {0, 100};
constexpr Field kMode = {100, 8};
constexpr Field kUid = {108, 8};
constexpr Field kGid = {116, 8};
constexpr Field kSize = {124, 12};
constexpr Field kMtime = {136, 12};
constexpr Field kChecksum = {148, 8};
constexpr Field kType = {156, 1};
constexpr Field kLink = {157, 100};
constexpr Field kMagic = {257, 6};
constexpr Field kVersion = {263, 2};
constexpr Field kDevMajor = {329, 8};
constexpr Field kDevMinor = {337, 8};
constexpr Field kUstarPrefix = {345, 155};
constexpr Field kStarPrefix = {345, 131};
constexpr Field kStarTrailer = {508, 4};
constexpr Field kGnuAtime = {345, 12};
constexpr Field kGnuCtime = {357, 12};

std::string_view View(const char* block, Field field) { return {block + field.offset, field.size}; }

bool Number(const char* block, Field field, int64_t& number) {
  return ParseNumber(block + field.offset, field.size, number);
}

std::string Text(const char* block, Field field) { return ParseText(block + field.offset, field.size); }

bool ParseBase256(const char* field, size_t size, int64_t& number) {
  const bool negative = (field[0] & 0x40) != 0;
  const unsigned char invert = negative ? 0xff : 0;
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    auto byte = static_cast<unsigned char>(static_cast<unsigned char>(field[i]) ^ invert);
    if (i == 0) byte &= 0x7f;
    if (value >> 56 != 0) return false;
    value = value << 8 | byte;
  }
  if (value >> 63 != 0) return false;
  number = negative ? static_cast<int64_t>(~value) : static_cast<int64_t>(value);
  return true;
}

// Some old programs summed up signed characters.
bool ChecksumMatches(const char* block) {
  int64_t expected;
  if (static_cast<unsigned char>(block[kChecksum.offset]) >= 0x80) return false;
  if (!Number(block, kChecksum, expected)) return false;
  int64_t unsigned_sum = 0;
  int64_t signed_sum = 0;
  for (size_t i = 0; i < kBlockBytes; i++) {
    const bool blank = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    const char byte = blank ? ' ' : block[i];
    unsigned_sum += static_cast<unsigned char>(byte);
    signed_sum += static_cast<signed char>(byte);
  }
  return expected == unsigned_sum || expected == signed_sum;
}

TarHeader::Format DetectFormat(const char* block) {
  const std::string_view magic = View(block, kMagic);
  if (magic == std::string_view("ustar\0", 6)) {
    return View(block, kStarTrailer) == std::string_view("tar\0", 4) ? TarHeader::Format::kStar
                                                                     : TarHeader::Format::kUstar;
  }
  if (magic == "ustar " && View(block, kVersion) == std::string_view(" \0", 2)) return TarHeader::Format::kGnu;
  return TarHeader::Format::kV7;
}

// GNU headers have times where ustar has a prefix. Go before 1.8 wrote such headers with a prefix all the same, and images made
// then are still pulled: what is no time is a prefix, golang.org/issue/12594.
std::string GnuPrefix(const char* block) {
  for (const Field field : {kGnuAtime, kGnuCtime}) {
    int64_t time;
    if (block[field.offset] == 0 || Number(block, field, time)) continue;
    const std::string prefix = Text(block, kUstarPrefix);
    const bool is_ascii =
        std::all_of(prefix.begin(), prefix.end(), [](char c) { return static_cast<signed char>(c) > 0; });
    return is_ascii ? prefix : std::string();
  }
  return {};
}

std::string Prefix(const char* block, TarHeader::Format format) {
  switch (format) {
    case TarHeader::Format::kUstar:
      return Text(block, kUstarPrefix);
    case TarHeader::Format::kStar:
      return Text(block, kStarPrefix);
    case TarHeader::Format::kGnu:
      return GnuPrefix(block);
    case TarHeader::Format::kV7:
      break;
  }
  return {};
}

}  // namespace

bool ParseNumber(const char* field, size_t size, int64_t& number) {
  if (size > 0 && (field[0] & 0x80) != 0) return ParseBase256(field, size, number);
  const auto is_padding = [](char c) { return c == ' ' || c == 0; };
  while (size > 0 && is_padding(field[0])) {
    field++;
    size--;
  }
  while (size > 0 && is_padding(field[size - 1])) size--;
  size = strnlen(field, size);
  // Fields of twelve digits at most: no overflow.
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    if (field[i] < '0' || field[i] > '7') return false;
    value = value << 3 | static_cast<uint64_t>(field[i] - '0');
  }
  number = static_cast<int64_t>(value);
  return true;
}

std::string ParseText(const char* field, size_t size) { return {field, strnlen(field, size)}; }

bool IsZeroBlock(const char* block) {
  return std::all_of(block, block + kBlockBytes, [](char c) { return c == 0; });
}

const char* DecodeHeader(const char* block, TarHeader& header) {
  if (!ChecksumMatches(block)) return "the header's checksum does not match";
  header.format = DetectFormat(block);
  header.type = block[kType.offset];
  header.path = Text(block, kName);
  header.link = Text(block, kLink);
  int64_t mode = 0;
  if (!Number(block, kMode, mode)) return "mode is no number";
  header.mode = static_cast<uint32_t>(mode & 07777);
  if (!Number(block, kUid, header.uid)) return "uid is no number";
  if (!Number(block, kGid, header.gid)) return "gid is no number";
  if (!Number(block, kSize, header.size)) return "size is no number";
  if (!Number(block, kMtime, header.mtime_s)) return "mtime is no number";
  const bool is_device = header.type == '3' || header.type == '4';
  if (is_device && header.format != TarHeader::Format::kV7) {
    if (!Number(block, kDevMajor, header.dev_major)) return "the device's major is no number";
    if (!Number(block, kDevMinor, header.dev_minor)) return "the device's minor is no number";
  }
  const std::string prefix = Prefix(block, header.format);
  if (!prefix.empty()) header.path = prefix + "/" + header.path;
  return nullptr;
}

}  // namespace cloister::layers
