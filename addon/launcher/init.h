// PID 1 of a sandbox: sets up its file system, starts commands, reaps, reports. Never returns to the launcher's code.
#pragma once

#include "../kernel/message.h"
#include "../kernel/plan.h"
#include "sources.h"

namespace cloister {

struct InitContext {
  const LaunchPlan& plan;
  const Message& message;
  SourceSet& sources;
  int status_fd;
  bool loopback_is_up;
};

// Only these descriptors stay open, besides 0, 1 and 2.
void CloseOthers(const int* keep, unsigned count);
Status RaiseLoopback();
[[noreturn]] void RunInit(const InitContext& context);

}  // namespace cloister
