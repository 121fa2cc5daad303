#include "layers.h"

#include <unistd.h>

#include <memory>
#include <string>

#include "../layers/decompress.h"
#include "../layers/node_libraries.h"
#include "../layers/remove_tree.h"
#include "../layers/unpack.h"
#include "arguments.h"
#include "job.h"

namespace cloister::binding {
namespace {

using layers::Decompressed;
using layers::DecompressOptions;
using layers::Unpacked;
using layers::UnpackOptions;
using layers::Whiteouts;

UnpackOptions OptionsOf(const Napi::Object& object) {
  UnpackOptions options;
  const bool applies = object.Get("whiteouts").ToString().Utf8Value() == "apply";
  options.whiteouts = applies ? Whiteouts::kApply : Whiteouts::kOverlay;
  options.max_bytes = Limit(object, "maxBytes");
  options.max_entries = Limit(object, "maxEntries");
  options.threads = object.Get("threads").ToNumber().Uint32Value();
  options.sync = object.Get("sync").ToBoolean();
  return options;
}

Napi::Value ToObject(Napi::Env env, Unpacked& unpacked) {
  Napi::Object object = Napi::Object::New(env);
  SetCount(object, "entries", unpacked.entries);
  SetCount(object, "bytes", unpacked.bytes);
  SetCount(object, "whiteouts", unpacked.whiteouts);
  SetCount(object, "droppedAttributes", unpacked.dropped_attributes);
  SetCount(object, "impliedDirectories", unpacked.implied_directories);
  object.Set("hasRoot", Napi::Boolean::New(env, unpacked.has_root));
  object.Set("isOpaque", Napi::Boolean::New(env, unpacked.is_opaque));
  return object;
}

}  // namespace

Napi::Value UnpackTar(const Napi::CallbackInfo& info) {
  auto input = CopyFd(info[0]);
  if (!input.ok()) return Throw(info.Env(), input.error());
  auto directory = CopyFd(info[1]);
  if (!directory.ok()) return Throw(info.Env(), directory.error());
  const UnpackOptions options = OptionsOf(info[2].As<Napi::Object>());
  const auto work = [source = input.take(), target = directory.take(), options] {
    Result<Unpacked> unpacked = layers::Unpack(source->get(), target->get(), options);
    // Now, not when JavaScript gets to it: who writes to the input learns from it that nobody reads any more.
    source->reset();
    return unpacked;
  };
  return Job<Unpacked>::Start(info.Env(), "cloister.unpackTar", work, ToObject);
}

Napi::Value CanDecompress(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), layers::FindZlib() != nullptr && layers::FindEvp() != nullptr);
}

Napi::Value Decompress(const Napi::CallbackInfo& info) {
  auto input = CopyFd(info[0]);
  if (!input.ok()) return Throw(info.Env(), input.error());
  auto output = CopyFd(info[1]);
  if (!output.ok()) return Throw(info.Env(), output.error());
  const Napi::Object object = info[2].As<Napi::Object>();
  DecompressOptions options;
  options.is_gzip = object.Get("compression").ToString().Utf8Value() == "gzip";
  options.is_sha512 = object.Get("algorithm").ToString().Utf8Value() == "sha512";
  options.max_bytes = Limit(object, "maxBytes");
  const auto work = [source = input.take(), target = output.take(), options] {
    Result<Decompressed> done = layers::Decompress(source->get(), target->get(), options);
    // Now, not when JavaScript gets to it: both ends learn from it.
    source->reset();
    target->reset();
    return done;
  };
  const auto settle = [](Napi::Env env, Decompressed& done) -> Napi::Value {
    Napi::Object written = Napi::Object::New(env);
    written.Set("digest", done.digest);
    SetCount(written, "bytes", done.bytes);
    return written;
  };
  return Job<Decompressed>::Start(info.Env(), "cloister.decompress", work, settle);
}

Napi::Value SyncFilesystem(const Napi::CallbackInfo& info) {
  auto copy = CopyFd(info[0]);
  if (!copy.ok()) return Throw(info.Env(), copy.error());
  const auto work = [file = copy.take()]() -> Result<Done> {
    if (syncfs(file->get()) != 0) return LastError("syncfs(2)");
    return Done{};
  };
  const auto settle = [](Napi::Env env, Done&) -> Napi::Value { return env.Undefined(); };
  return Job<Done>::Start(info.Env(), "cloister.syncFilesystem", work, settle);
}

Napi::Value RemoveTree(const Napi::CallbackInfo& info) {
  auto directory = CopyFd(info[0]);
  if (!directory.ok()) return Throw(info.Env(), directory.error());
  const std::string name = info[1].As<Napi::String>();
  const auto work = [parent = directory.take(), name]() -> Result<Done> {
    return layers::RemoveTree(parent->get(), name.c_str());
  };
  const auto settle = [](Napi::Env env, Done&) { return env.Undefined(); };
  return Job<Done>::Start(info.Env(), "cloister.removeTree", work, settle);
}

}  // namespace cloister::binding
