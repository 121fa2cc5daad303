// Between JavaScript values and the kernel layer's: the only place that knows both.
#pragma once

#include <napi.h>

#include "../kernel/result.h"
#include "../kernel/unique_fd.h"

namespace cloister::binding {

// { syscall, errno (a number), subject }; lib/native/kernel.ts makes a CloisterError of it.
inline Napi::Error Describe(Napi::Env env, const Error& error) {
  Napi::Error described = Napi::Error::New(env, error.call);
  described.Set("syscall", error.call);
  described.Set("errno", Napi::Number::New(env, error.code));
  described.Set("subject", error.subject);
  return described;
}

inline Napi::Value Throw(Napi::Env env, const Error& error) {
  Describe(env, error).ThrowAsJavaScriptException();
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
