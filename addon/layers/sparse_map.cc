#include "sparse_map.h"

#include "pax.h"
#include "tar_header.h"

namespace cloister::layers {
namespace {

constexpr const char* kBadNumber = "a number in the sparse map is none";

const char* Add(int64_t offset, int64_t length, std::vector<Extent>& map) {
  if (offset < 0 || length < 0) return "a negative number in the sparse map";
  if (map.size() >= kMaxExtents) return kTooManyExtents;
  map.push_back({static_cast<uint64_t>(offset), static_cast<uint64_t>(length)});
  return nullptr;
}

}  // namespace

const char* MapFromPairs(const std::vector<int64_t>& pairs, std::vector<Extent>& map) {
  if (pairs.size() % 2 != 0) return "the sparse map ends with an offset";
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (const char* fault = Add(pairs[i], pairs[i + 1], map)) return fault;
  }
  return nullptr;
}

const char* MapFromText(std::string_view text, std::vector<Extent>& map) {
  std::vector<int64_t> pairs;
  bool has_more = !text.empty();
  while (has_more) {
    int64_t number;
    const size_t comma = text.find(',');
    if (!ParseDecimal(text.substr(0, comma), number)) return kBadNumber;
    if (pairs.size() / 2 >= kMaxExtents) return kTooManyExtents;
    pairs.push_back(number);
    has_more = comma != std::string_view::npos;
    if (has_more) text.remove_prefix(comma + 1);
  }
  return MapFromPairs(pairs, map);
}

const char* MapFromBlock(const char* entries, size_t count, std::vector<Extent>& map) {
  constexpr size_t kNumber = 12;
  for (size_t i = 0; i < count; i++, entries += 2 * kNumber) {
    if (entries[0] == 0) return nullptr;
    int64_t offset;
    int64_t length;
    if (!ParseNumber(entries, kNumber, offset) || !ParseNumber(entries + kNumber, kNumber, length)) return kBadNumber;
    if (const char* fault = Add(offset, length, map)) return fault;
  }
  return nullptr;
}

const char* LineMap::Number(int64_t number, std::vector<Extent>& map) {
  if (left_ < 0) {
    if (number > static_cast<int64_t>(kMaxExtents)) return kTooManyExtents;
    left_ = 2 * number;
    return nullptr;
  }
  left_--;
  if (offset_ < 0) {
    offset_ = number;
    return nullptr;
  }
  const int64_t offset = offset_;
  offset_ = -1;
  return Add(offset, number, map);
}

const char* LineMap::Feed(std::string_view block, std::vector<Extent>& map, bool& done) {
  for (const char c : block) {
    if (c == '\n') {
      if (digits_ == 0) return kBadNumber;
      const int64_t number = number_;
      number_ = 0;
      digits_ = 0;
      if (const char* fault = Number(number, map)) return fault;
      done = left_ == 0;
      if (done) return nullptr;
      continue;
    }
    if (c < '0' || c > '9' || ++digits_ > 19) return kBadNumber;
    if (__builtin_mul_overflow(number_, 10, &number_) || __builtin_add_overflow(number_, c - '0', &number_)) {
      return kBadNumber;
    }
  }
  return nullptr;
}

const char* CheckMap(const std::vector<Extent>& map, uint64_t stored, uint64_t real_size) {
  uint64_t end = 0;
  uint64_t total = 0;
  for (const Extent& extent : map) {
    if (extent.offset < end) return "runs of the sparse map overlap or are out of order";
    // Both below 2^63: the sum fits.
    end = extent.offset + extent.length;
    if (end > real_size) return "the sparse map reaches beyond the file's end";
    total += extent.length;
  }
  return total == stored ? nullptr : "the sparse map and the stored data differ in length";
}

}  // namespace cloister::layers
