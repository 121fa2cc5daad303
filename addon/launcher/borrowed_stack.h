// Tells AddressSanitizer, in builds that have it, that a child runs on a stack of ours while we wait for it: it then knows the
// bounds of that stack and forgets what the frames of the child before have left there. Nothing in other builds.
#pragma once

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CLOISTER_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define CLOISTER_ADDRESS_SANITIZER
#endif

#ifdef CLOISTER_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cloister {

#ifdef CLOISTER_ADDRESS_SANITIZER

// With CLONE_VM both share the sanitizer's state, too: to it they are one thread that changes stacks.
class BorrowedStack {
 public:
  // The next thing is the child.
  void Lend(const void* stack, size_t size) {
    __asan_unpoison_memory_region(stack, size);
    __sanitizer_start_switch_fiber(&fake_stack_, stack, size);
  }
  // First thing in the child.
  void Arrive() {
    arrived_ = true;
    __sanitizer_finish_switch_fiber(nullptr, &bottom_, &size_);
  }
  // The child is gone, or there was none.
  void Return() {
    if (!arrived_) Arrive();
    __sanitizer_start_switch_fiber(nullptr, bottom_, size_);
    __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
  }

 private:
  void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;
  size_t size_ = 0;
  bool arrived_ = false;
};

#else

class BorrowedStack {
 public:
  void Lend(const void*, size_t) {}
  void Arrive() {}
  void Return() {}
};

#endif

}  // namespace cloister
