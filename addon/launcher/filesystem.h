// The sandbox's view of files, built by init inside the new mount namespace as the plan's steps say.
// Targets are resolved with openat2(2) below the new root only: an image may hold any link it likes.
#pragma once

#include "../kernel/plan.h"
#include "../kernel/unique_fd.h"
#include "sources.h"

namespace cloister {

class Filesystem {
 public:
  Filesystem(const LaunchPlan& plan, SourceSet& sources) : plan_(plan), sources_(sources) {}

  Status Assemble();      // kAttach and kFilesystem steps, in order
  Status WriteSysctls();  // kSysctl, before /proc/sys becomes read-only
  Status Protect();       // kMask and kReadonly, and the root itself
  Status Enter();         // pivot_root(2)
  int TakeDevpts() { return devpts_.release(); }

 private:
  Status AttachRoot();
  Status Attach(const Step& step);
  Status MountFilesystem(const Step& step);
  Status Mask(const Step& step);
  Status MakeReadonly(const Step& step);
  Status WriteSysctl(const Step& step);
  Result<UniqueFd> Target(const Step& step, bool create);

  const LaunchPlan& plan_;
  SourceSet& sources_;
  UniqueFd root_;
  UniqueFd devpts_;
};

}  // namespace cloister
