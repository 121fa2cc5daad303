// From init's fork to the program's first instruction: joins the command's cgroups, drops every privilege, executes.
#pragma once

#include <sys/types.h>

#include "../kernel/message.h"
#include "../kernel/plan.h"
#include "../kernel/status.h"

namespace cloister {

struct ProgramContext {
  const LaunchPlan& sandbox;
  const CommandPlan& plan;
  const Message& message;
  int terminal;  // slave end; -1 without a terminal
};

struct ProgramFailure {
  Stage stage = Stage::kNone;
  Error error;
};

// Moves the calling process into v1 groups, given as descriptors of their `tasks`.
Status JoinCgroups(const Array<uint32_t>& files, const Message& message);

// The pid, or -1 with the reason. Returns when the program has been executed.
pid_t StartProgram(const ProgramContext& context, ProgramFailure& failure);

}  // namespace cloister
