// The commands of one sandbox: started, signalled and reaped by its init.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include "../kernel/message.h"
#include "../kernel/plan.h"
#include "../kernel/status.h"
#include "oom_score.h"

namespace cloister {

struct Channels {
  int status_fd;
  int control_fd;
  int devpts_fd;
};

class Commands {
 public:
  Commands(const LaunchPlan& sandbox, const Channels& channels, const OomScore& oom_score)
      : sandbox_(sandbox), channels_(channels), oom_score_(oom_score) {}

  // False when it could not be started, which is reported.
  bool Start(const CommandPlan& plan, const Message& message);
  void Signal(uint32_t id, int signal_number);
  // Collects what has ended. False when the sandbox ends with it.
  bool Reap();

 private:
  struct Running {
    uint32_t id;
    pid_t pid;
    bool kill_rest;
    uint64_t started_ns;
    Running* next;
  };

  void ReportStart(const Running& command);
  void ReportEnd(const Running& command, int status, const rusage& usage, uint32_t rest);
  // How many there were.
  uint32_t KillRest();

  const LaunchPlan& sandbox_;
  Channels channels_;
  const OomScore& oom_score_;
  Running* running_ = nullptr;
};

}  // namespace cloister
