// Hashes names of an archive with a key that its author does not know: what is kept by name here cannot be made slow by names
// that were chosen to collide. SipHash-1-3, https://www.aumasson.jp/siphash/siphash.pdf
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string_view>

namespace cloister::layers {

// `number` goes first: the same name in two directories are two.
uint64_t HashName(uint64_t number, std::string_view name);

struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return static_cast<size_t>(HashName(0, name)); }
};

// For keys that are such a hash already.
struct NoHash {
  size_t operator()(uint64_t hash) const { return static_cast<size_t>(hash); }
};

}  // namespace cloister::layers
