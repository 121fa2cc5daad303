// What the addon exports of addon/layers/.
#pragma once

#include <napi.h>

namespace cloister::binding {

// canDecompress(): whether the program that this is loaded into has the libraries that decompress() needs.
Napi::Value CanDecompress(const Napi::CallbackInfo& info);

// decompress(input, output, options): a promise of the digest and the size of what was written. Both descriptors are copied, and
// the copies closed when it ends, however it ends.
Napi::Value Decompress(const Napi::CallbackInfo& info);

// unpackTar(input, directory, options): a promise of what was unpacked. Both descriptors are copied: the caller may close its
// own at once, and a writer at the other end of the input sees it closed when unpacking ends, however it ends.
Napi::Value UnpackTar(const Napi::CallbackInfo& info);

// syncFilesystem(fd): a promise, settled when all of the file system that it is on is on disk. The descriptor is copied.
Napi::Value SyncFilesystem(const Napi::CallbackInfo& info);

// removeTree(directory, name): a promise. The descriptor is copied.
Napi::Value RemoveTree(const Napi::CallbackInfo& info);

}  // namespace cloister::binding
