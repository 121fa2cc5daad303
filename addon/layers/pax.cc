#include "pax.h"

#include <algorithm>
#include <charconv>

namespace cloister::layers {
namespace {

constexpr std::string_view kXattr = "SCHILY.xattr.";
constexpr std::string_view kEncodedXattr = "LIBARCHIVE.xattr.";

struct Record {
  std::string_view key;
  std::string_view value;
};

// Takes the first record off `data`; false when there is none that holds together.
bool TakeRecord(std::string_view& data, Record& record) {
  const size_t space = data.find(' ');
  int64_t length;
  if (space == std::string_view::npos || data[0] == '+' || data[0] == '-') return false;
  if (!ParseDecimal(data.substr(0, space), length)) return false;
  // Shorter than "5 a=\n" is nothing, and a record cannot be longer than what there is.
  if (length < 5 || static_cast<uint64_t>(length) > data.size() || static_cast<uint64_t>(length) <= space + 1)
    return false;
  const std::string_view body = data.substr(space + 1, static_cast<size_t>(length) - space - 1);
  if (body.back() != '\n') return false;
  const size_t equals = body.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  record.key = body.substr(0, equals);
  record.value = body.substr(equals + 1, body.size() - equals - 2);
  data.remove_prefix(static_cast<size_t>(length));
  return record.key.find('\0') == std::string_view::npos;
}

bool ParseTime(std::string_view text, PaxTime& time) {
  const size_t dot = text.find('.');
  const bool is_negative = !text.empty() && text[0] == '-';
  if (!ParseDecimal(text.substr(0, dot), time.seconds)) return false;
  if (dot == std::string_view::npos) return true;
  // Digits beyond the nanosecond are cut off.
  const std::string_view fraction = text.substr(dot + 1);
  uint32_t nanoseconds = 0;
  for (size_t i = 0; i < std::max<size_t>(fraction.size(), 9); i++) {
    const char digit = i < fraction.size() ? fraction[i] : '0';
    if (digit < '0' || digit > '9') return false;
    if (i < 9) nanoseconds = nanoseconds * 10 + static_cast<uint32_t>(digit - '0');
  }
  if (is_negative && nanoseconds > 0) {
    if (time.seconds == INT64_MIN) return false;
    time.seconds -= 1;
    nanoseconds = 1'000'000'000 - nanoseconds;
  }
  time.nanoseconds = nanoseconds;
  return true;
}

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

bool DecodeBase64(std::string_view text, std::string& out) {
  while (!text.empty() && (text.back() == '=' || text.back() == '\n')) text.remove_suffix(1);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = Base64Digit(c);
    if (digit < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return true;
}

bool DecodePercent(std::string_view text, std::string& out) {
  while (!text.empty()) {
    if (text[0] != '%') {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    unsigned value = 0;
    if (text.size() < 3 || std::from_chars(text.data() + 1, text.data() + 3, value, 16).ptr != text.data() + 3)
      return false;
    out += static_cast<char>(value);
    text.remove_prefix(3);
  }
  return out.find('\0') == std::string::npos;
}

std::string* FindXattr(PaxRecords& records, std::string_view name) {
  for (auto& [known, value] : records.xattrs) {
    if (known == name) return &value;
  }
  return nullptr;
}

// bsdtar writes both forms of the same attribute; the plain one needs no decoding and wins, whatever their order.
const char* AddXattr(const Record& record, PaxRecords& records) {
  const bool is_plain = record.key.starts_with(kXattr);
  std::string name;
  std::string value;
  if (is_plain) {
    name = record.key.substr(kXattr.size());
    value = record.value;
  } else if (!DecodePercent(record.key.substr(kEncodedXattr.size()), name) || !DecodeBase64(record.value, value)) {
    return "an encoded extended attribute in the extended header does not decode";
  }
  if (name.empty()) return "an extended attribute without a name";
  std::string* known = FindXattr(records, name);
  if (known == nullptr) {
    if (records.xattrs.size() >= kMaxXattrs) return "more than 1024 extended attributes";
    records.xattrs.emplace_back(std::move(name), std::move(value));
  } else if (is_plain) {
    *known = std::move(value);
  }
  return nullptr;
}

// An empty value gives the header's own one back, pax(1).
const char* SetText(std::optional<std::string>& field, std::string_view value) {
  if (value.find('\0') != std::string_view::npos) return "a name in the extended header holds a NUL";
  field = value.empty() ? std::nullopt : std::optional<std::string>(value);
  return nullptr;
}

const char* SetNumber(std::optional<int64_t>& field, std::string_view value) {
  int64_t number;
  if (value.empty()) {
    field.reset();
    return nullptr;
  }
  if (!ParseDecimal(value, number)) return "a number in the extended header is none";
  field = number;
  return nullptr;
}

const char* SetTime(std::optional<PaxTime>& field, std::string_view value) {
  PaxTime time;
  if (value.empty()) {
    field.reset();
    return nullptr;
  }
  if (!ParseTime(value, time)) return "a time in the extended header is none";
  field = time;
  return nullptr;
}

const char* AddSparse(std::string_view key, std::string_view value, PaxRecords& records) {
  if (key == "offset" || key == "numbytes") {
    int64_t number;
    if (records.sparse_pairs.size() % 2 != (key == "offset" ? 0 : 1))
      return "sparse offsets and lengths do not alternate";
    if (!ParseDecimal(value, number)) return "a number in the sparse map is none";
    if (records.sparse_pairs.size() / 2 >= kMaxExtents) return kTooManyExtents;
    records.sparse_pairs.push_back(number);
    return nullptr;
  }
  if (key == "major") records.sparse_major = value;
  if (key == "minor") records.sparse_minor = value;
  if (key == "name") {
    if (value.find('\0') != std::string_view::npos) return "a name in the extended header holds a NUL";
    records.sparse_name = value;
  }
  if (key == "size") records.sparse_size = value;
  if (key == "realsize") records.sparse_real_size = value;
  if (key == "map") records.sparse_map = value;
  return nullptr;
}

const char* Apply(const Record& record, PaxRecords& records) {
  constexpr std::string_view kSparse = "GNU.sparse.";
  if (record.key == "path") return SetText(records.path, record.value);
  if (record.key == "linkpath") return SetText(records.link, record.value);
  if (record.key == "uid") return SetNumber(records.uid, record.value);
  if (record.key == "gid") return SetNumber(records.gid, record.value);
  if (record.key == "size") return SetNumber(records.size, record.value);
  if (record.key == "mtime") return SetTime(records.mtime, record.value);
  if (record.key.starts_with(kXattr) || record.key.starts_with(kEncodedXattr)) return AddXattr(record, records);
  if (record.key.starts_with(kSparse)) return AddSparse(record.key.substr(kSparse.size()), record.value, records);
  return nullptr;
}

}  // namespace

bool ParseDecimal(std::string_view text, int64_t& number) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 10);
  return error == std::errc() && end == text.data() + text.size();
}

const char* ParsePax(std::string_view data, PaxRecords& records) {
  while (!data.empty()) {
    Record record;
    if (!TakeRecord(data, record)) return "a record of the extended header does not hold together";
    if (const char* fault = Apply(record, records)) return fault;
  }
  return nullptr;
}

}  // namespace cloister::layers
