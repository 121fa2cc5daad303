// What a fuzzer holds its target to.
#pragma once

#include <stdio.h>
#include <stdlib.h>

namespace cloister::fuzz {

// Ends the fuzzer, which keeps the input, unless it holds. `what`: that should have.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

}  // namespace cloister::fuzz
