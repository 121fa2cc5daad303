// Between JavaScript values and the kernel layer's: the only place that knows both.
#pragma once

#include <napi.h>

#include "../kernel/result.h"
#include "../kernel/unique_fd.h"

namespace cloister::binding {

// False in a worker thread that is being terminated: Node goes through what is on its way before any hook is called, and no call
// that might run JavaScript works by then.
inline bool CanRun(napi_env env) {
  napi_value object = nullptr;
  bool has_name = false;
  return napi_create_object(env, &object) == napi_ok &&
         napi_has_named_property(env, object, "name", &has_name) == napi_ok;
}

// { syscall, errno (a number), subject }; lib/native/kernel.ts makes a CloisterError of it.
//
// Of Node-API's own calls, and whatever they answer: a worker thread can be terminated at any instruction, every call that might
// run JavaScript fails from then on, and node-addon-api ends the whole process when it cannot throw an error about that.
inline napi_value Describe(napi_env env, const Error& error) {
  const auto text = [env](const char* characters) {
    napi_value value = nullptr;
    napi_create_string_utf8(env, characters, NAPI_AUTO_LENGTH, &value);
    return value;
  };
  napi_value described = nullptr;
  napi_value number = nullptr;
  napi_create_error(env, nullptr, text(error.call), &described);
  napi_create_int32(env, error.code, &number);
  napi_set_named_property(env, described, "syscall", text(error.call));
  napi_set_named_property(env, described, "errno", number);
  napi_set_named_property(env, described, "subject", text(error.subject));
  return described;
}

inline Napi::Value Throw(Napi::Env env, const Error& error) {
  napi_throw(env, Describe(env, error));
  return env.Undefined();
}

inline Napi::Value Convert(Napi::Env env, Result<UniqueFd>&& result) {
  if (!result.ok()) return Throw(env, result.error());
  return Napi::Number::New(env, result.value().release());
}

inline Napi::Value Convert(Napi::Env env, Result<bool>&& result) {
  if (!result.ok()) return Throw(env, result.error());
  return Napi::Boolean::New(env, result.value());
}

inline Napi::Value Convert(Napi::Env env, Status&& result) {
  if (!result.ok()) return Throw(env, result.error());
  return env.Undefined();
}

template <class Pair>
Napi::Value ConvertPair(Napi::Env env, Result<Pair>&& result) {
  if (!result.ok()) return Throw(env, result.error());
  Napi::Array array = Napi::Array::New(env, 2);
  array.Set(0U, Napi::Number::New(env, result.value().first.release()));
  array.Set(1U, Napi::Number::New(env, result.value().second.release()));
  return array;
}

}  // namespace cloister::binding
