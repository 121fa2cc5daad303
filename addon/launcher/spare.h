// An init that was cloned ahead: making its namespaces is the most expensive part of a start, so one waits for the next request.
//
//   launcher ── clone3 ──► spare: loopback up, waits ── id maps, plan + descriptors, mounts ──► init of a sandbox
//
// Only for sandboxes that need nothing at the moment of cloning: no v2 cgroup, no mounts to be locked.
#pragma once

#include <sys/types.h>

#include "../kernel/message.h"
#include "../kernel/plan.h"
#include "../kernel/unique_fd.h"
#include "sources.h"

namespace cloister {

class Spare {
 public:
  bool ready() const { return pid_ > 0; }
  // A start like this one makes another likely: remembers what to prepare.
  void Expect(const LaunchPlan& plan);
  // Clones one for the expected kind unless there is one. A failure is no error here: the start itself will meet it.
  void Prepare(int status_fd);
  // The prepared one as the init of this sandbox; 0 when there is none that fits, or it has died.
  Result<pid_t> Use(int proc_fd, const LaunchPlan& plan, const Message& message, const SourceSet& sources);
  // Nobody seems to want it. None is prepared before the next start.
  void Drop();
  // A child was reaped. If it was the prepared one, somebody else may get its pid now.
  void Forget(pid_t pid);

 private:
  uint64_t expected_ = 0;
  uint32_t expected_root_ = 0;
  uint64_t namespaces_ = 0;
  uint32_t root_ = 0;
  pid_t pid_ = 0;
  UniqueFd socket_;
};

}  // namespace cloister
