#include "fault.h"

#include <inttypes.h>
#include <string.h>

namespace cloister::layers {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    char escape[8];
    snprintf(escape, sizeof escape, "\\x%02x", byte);
    out += escape;
  }
  return out;
}

}  // namespace

std::string Printable(std::string_view path, size_t limit) {
  const std::string_view cut = "...";
  // Only the two ends are looked at: a path may be long, and every escape makes it longer.
  std::string head = Escaped(path.substr(0, limit));
  if (path.size() <= limit && head.size() <= limit) return head;
  const size_t half = (limit - cut.size()) / 2;
  const std::string tail = Escaped(path.substr(path.size() - (path.size() < half ? path.size() : half)));
  std::string out = head.substr(0, half);
  out += cut;
  out += tail.substr(tail.size() - half);
  return out;
}

Error Fault(FaultKind kind, uint64_t offset, std::string_view entry, const char* reason) {
  char subject[sizeof(Error::subject)];
  const std::string name = Printable(entry);
  if (entry.empty()) {
    snprintf(subject, sizeof subject, "byte %" PRIu64 ": %s", offset, reason);
  } else {
    snprintf(subject, sizeof subject, "byte %" PRIu64 ", entry \"%s\": %s", offset, name.c_str(), reason);
  }
  return {kArchiveCall, static_cast<int>(kind), subject};
}

bool IsFault(const Error& error) { return strcmp(error.call, kArchiveCall) == 0; }

}  // namespace cloister::layers
