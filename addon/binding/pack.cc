#include "pack.h"

#include <map>
#include <string>

#include "../layers/pack.h"
#include "arguments.h"
#include "job.h"

namespace cloister::binding {
namespace {

using layers::FileState;
using layers::IdMap;
using layers::Packed;
using layers::PackOptions;

// [{ inside, outside, count }, ...]
IdMap MapOf(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  const auto number = [](const Napi::Object& range, const char* name) {
    return range.Get(name).ToNumber().Uint32Value();
  };
  IdMap map;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object range = list.Get(i).ToObject();
    map.push_back({number(range, "inside"), number(range, "outside"), number(range, "count")});
  }
  return map;
}

// [{ path, inode, changedNs, mode, uid, gid }, ...], the second and third as bigints.
std::map<std::string, FileState> BaselineOf(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::map<std::string, FileState> baseline;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object file = list.Get(i).ToObject();
    const auto number = [&file](const char* name) { return file.Get(name).ToNumber().Uint32Value(); };
    bool is_exact = false;
    FileState& state = baseline[file.Get("path").ToString().Utf8Value()];
    state.inode = file.Get("inode").As<Napi::BigInt>().Uint64Value(&is_exact);
    state.changed_ns = file.Get("changedNs").As<Napi::BigInt>().Int64Value(&is_exact);
    state.mode = number("mode");
    state.uid = number("uid");
    state.gid = number("gid");
  }
  return baseline;
}

PackOptions OptionsOf(const Napi::Object& object) {
  PackOptions options;
  const bool is_upper = object.Get("kind").ToString().Utf8Value() == "upper";
  options.kind = is_upper ? PackOptions::Kind::kUpper : PackOptions::Kind::kTree;
  options.user_attributes = object.Get("userAttributes").ToBoolean();
  options.uids = MapOf(object.Get("uids"));
  options.gids = MapOf(object.Get("gids"));
  options.baseline = BaselineOf(object.Get("baseline"));
  return options;
}

Napi::Value ToObject(Napi::Env env, Packed& packed) {
  Napi::Object object = Napi::Object::New(env);
  SetCount(object, "entries", packed.entries);
  SetCount(object, "bytes", packed.bytes);
  SetCount(object, "skipped", packed.skipped);
  return object;
}

}  // namespace

Napi::Value PackTree(const Napi::CallbackInfo& info) {
  auto directory = CopyFd(info[0]);
  if (!directory.ok()) return Throw(info.Env(), directory.error());
  auto output = CopyFd(info[1]);
  if (!output.ok()) return Throw(info.Env(), output.error());
  const PackOptions options = OptionsOf(info[2].As<Napi::Object>());
  const auto work = [source = directory.take(), target = output.take(), options] {
    Result<Packed> packed = layers::PackTree(source->get(), target->get(), options);
    target->reset();
    return packed;
  };
  return Job<Packed>::Start(info.Env(), "cloister.packTree", work, ToObject);
}

}  // namespace cloister::binding
