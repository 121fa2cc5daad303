// What calls that start a job take out of their arguments.
#pragma once

#include <fcntl.h>
#include <napi.h>

#include <memory>

#include "../kernel/result.h"
#include "../kernel/unique_fd.h"

namespace cloister::binding {

// Shared, because std::function wants to be copied.
using SharedFd = std::shared_ptr<UniqueFd>;

inline Result<SharedFd> CopyFd(const Napi::Value& value) {
  auto copy = std::make_shared<UniqueFd>(fcntl(value.As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3));
  if (!copy->valid()) return LastError("fcntl(2) F_DUPFD_CLOEXEC");
  return Result<SharedFd>(std::move(copy));
}

// Numbers of JavaScript; what is left out or beyond 2^53 is no limit.
inline uint64_t Limit(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0x1p53;
  return number >= 0x1p53 ? UINT64_MAX : static_cast<uint64_t>(number < 0 ? 0 : number);
}

inline void SetCount(Napi::Object& object, const char* name, uint64_t count) {
  object.Set(name, Napi::Number::New(object.Env(), static_cast<double>(count)));
}

}  // namespace cloister::binding
