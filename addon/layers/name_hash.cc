#include "name_hash.h"

#include <string.h>
#include <sys/random.h>

namespace cloister::layers {
namespace {

struct Key {
  uint64_t first;
  uint64_t second;
};

const Key& ProcessKey() {
  static const Key key = [] {
    Key random = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    // Fails on kernels without it only; a key that is known costs speed, not safety.
    if (getrandom(&random, sizeof random, 0) != sizeof random) random.first ^= reinterpret_cast<uintptr_t>(&random);
    return random;
  }();
  return key;
}

uint64_t Rotate(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = Rotate(v1, 13) ^ v0;
    v3 = Rotate(v3, 16) ^ v2;
    v0 = Rotate(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = Rotate(v1, 17) ^ v2;
    v3 = Rotate(v3, 21) ^ v0;
    v2 = Rotate(v2, 32);
  }
  void Take(uint64_t word) {
    v3 ^= word;
    Round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t HashName(uint64_t number, std::string_view name) {
  const Key& key = ProcessKey();
  State state = {key.first ^ 0x736f6d6570736575, key.second ^ 0x646f72616e646f6d, key.first ^ 0x6c7967656e657261,
                 key.second ^ 0x7465646279746573};
  state.Take(number);
  const uint64_t length = uint64_t{name.size() + sizeof number} << 56;
  while (name.size() >= sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, name.data(), sizeof word);
    state.Take(word);
    name.remove_prefix(sizeof word);
  }
  uint64_t rest = 0;
  if (!name.empty()) memcpy(&rest, name.data(), name.size());
  state.Take(rest | length);
  state.v2 ^= 0xff;
  for (int i = 0; i < 3; i++) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace cloister::layers
