// What is wrong with a layer's archive, as opposed to what the kernel refused. Such an error names tar(5) as its call, which is
// how the binding tells the two apart.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>

#include "../kernel/result.h"

namespace cloister::layers {

inline constexpr const char* kArchiveCall = "tar(5)";

// Carried as errno.
enum class FaultKind {
  kCorrupt = EBADMSG,         // not what the format says
  kTruncated = ENODATA,       // ends too early
  kUnsupported = EOPNOTSUPP,  // sound, but not something a layer may hold
  kEscape = EXDEV,            // would reach outside of the layer
  kLimit = EFBIG,             // more than the caller allows
};

// `byte 1536, entry "usr/bin/env": header checksum does not match`; what is no printable text in `entry` is escaped.
Error Fault(FaultKind kind, uint64_t offset, std::string_view entry, const char* reason);

// A path out of an archive as printable text of at most `limit` bytes: the middle of a longer one is left out.
std::string Printable(std::string_view path, size_t limit = 72);

bool IsFault(const Error& error);

}  // namespace cloister::layers
