#include "layers.h"

#include <errno.h>
#include <fcntl.h>

#include <memory>
#include <string>

#include "../kernel/unique_fd.h"
#include "../layers/remove_tree.h"
#include "../layers/unpack.h"
#include "job.h"

namespace cloister::binding {
namespace {

using layers::Unpacked;
using layers::UnpackOptions;
using layers::Whiteouts;

// Shared, because std::function wants to be copied.
using SharedFd = std::shared_ptr<UniqueFd>;

Result<SharedFd> CopyFd(const Napi::Value& value) {
  auto copy = std::make_shared<UniqueFd>(fcntl(value.ToNumber().Int32Value(), F_DUPFD_CLOEXEC, 3));
  if (!copy->valid()) return LastError("fcntl(2) F_DUPFD_CLOEXEC");
  return Result<SharedFd>(std::move(copy));
}

// Numbers of JavaScript; what is left out or beyond 2^53 is no limit.
uint64_t Limit(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0x1p53;
  return number >= 0x1p53 ? UINT64_MAX : static_cast<uint64_t>(number < 0 ? 0 : number);
}

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
  const auto set = [&](const char* name, uint64_t number) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(number)));
  };
  set("entries", unpacked.entries);
  set("bytes", unpacked.bytes);
  set("whiteouts", unpacked.whiteouts);
  set("droppedAttributes", unpacked.dropped_attributes);
  set("impliedDirectories", unpacked.implied_directories);
  object.Set("hasRoot", Napi::Boolean::New(env, unpacked.has_root));
  return object;
}

}  // namespace

Napi::Value UnpackTar(const Napi::CallbackInfo& info) {
  auto input = CopyFd(info[0]);
  if (!input.ok()) return Throw(info.Env(), input.error());
  auto directory = CopyFd(info[1]);
  if (!directory.ok()) return Throw(info.Env(), directory.error());
  const UnpackOptions options = OptionsOf(info[2].ToObject());
  const auto work = [source = input.take(), target = directory.take(), options] {
    Result<Unpacked> unpacked = layers::Unpack(source->get(), target->get(), options);
    // Now, not when JavaScript gets to it: who writes to the input learns from it that nobody reads any more.
    source->reset();
    return unpacked;
  };
  return Job<Unpacked>::Start(info.Env(), "cloister.unpackTar", work, ToObject);
}

Napi::Value RemoveTree(const Napi::CallbackInfo& info) {
  auto directory = CopyFd(info[0]);
  if (!directory.ok()) return Throw(info.Env(), directory.error());
  const std::string name = info[1].ToString();
  const auto work = [parent = directory.take(), name]() -> Result<Done> {
    return layers::RemoveTree(parent->get(), name.c_str());
  };
  const auto settle = [](Napi::Env env, Done&) { return env.Undefined(); };
  return Job<Done>::Start(info.Env(), "cloister.removeTree", work, settle);
}

}  // namespace cloister::binding
