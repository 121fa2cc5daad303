// What the addon exports of addon/layers/pack.h.
#pragma once

#include <napi.h>

namespace cloister::binding {

// packTree(directory, output, options): a promise of what was written. Descriptors are copied: a reader at the other end of the
// output sees its end when packing ends, however it ends, as soon as the caller closed its own.
Napi::Value PackTree(const Napi::CallbackInfo& info);

}  // namespace cloister::binding
