// Threads of the library's own inside an application.
#pragma once

#include <pthread.h>
#include <signal.h>

#include "result.h"

namespace cloister {

// Signals are for the application's threads: this one has all of them blocked.
inline Status StartThread(pthread_t& thread, void* (*main)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&thread, nullptr, main, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) return Error("pthread_create(3)", failed);
  return {};
}

}  // namespace cloister
