// What a function that may fail returns. No exceptions: this code also runs in the launcher, which has no C++ runtime.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

namespace cloister {

// A refused kernel call: which call, why, and what it was about.
struct Error {
  const char* call = "";  // as its manual page is named: "mount_setattr(2)"; always a literal
  int code = 0;           // errno
  char subject[160] = {};

  Error() = default;
  Error(const char* call_name, int errno_value, const char* about = "") : call(call_name), code(errno_value) {
    snprintf(subject, sizeof subject, "%.*s", static_cast<int>(sizeof subject) - 1, about);
  }
};

inline Error LastError(const char* call, const char* subject = "") { return Error(call, errno, subject); }

struct Done {};

template <class T = Done>
class [[nodiscard]] Result {
 public:
  Result() : ok_(true) {}
  Result(T&& value) : ok_(true), value_(static_cast<T&&>(value)) {}
  Result(const Error& error) : ok_(false), error_(error) {}

  bool ok() const { return ok_; }
  T& value() { return value_; }
  T&& take() { return static_cast<T&&>(value_); }
  const Error& error() const { return error_; }

 private:
  bool ok_;
  T value_{};
  Error error_;
};

using Status = Result<Done>;

// Returns from the calling function when `expression` failed.
#define CLOISTER_TRY(expression)                     \
  do {                                               \
    auto try_result = (expression);                  \
    if (!try_result.ok()) return try_result.error(); \
  } while (0)

// Declares `name` with the value of `expression`, or returns its error from the calling function.
#define CLOISTER_ASSIGN(name, expression)                \
  auto name##_result = (expression);                     \
  if (!name##_result.ok()) return name##_result.error(); \
  auto name = name##_result.take()

}  // namespace cloister
