// What the addon exports of the EROFS indexes in addon/layers/.
#pragma once

#include <napi.h>

namespace cloister::binding {

// indexTar(archive, index, options): a promise of what was indexed. Descriptors are copied, as in layers.h.
Napi::Value IndexTar(const Napi::CallbackInfo& info);

// mountErofs(index, archive, layer, attributes): a promise of a detached mount. Descriptors are copied.
Napi::Value MountErofs(const Napi::CallbackInfo& info);

}  // namespace cloister::binding
