// The sandbox's view of files, built by init inside the new mount namespace as the plan's steps say.
// Targets are resolved with openat2(2) below the new root only: an image may hold any link it likes.
#pragma once

#include <sys/types.h>

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
  // The sandbox's own null device, open for reading and writing.
  const UniqueFd& null() const { return null_; }

 private:
  static constexpr unsigned kMaxGuarded = 16;

  // The mount of a source that is to be attached.
  Result<UniqueFd> Take(uint32_t index);
  Status AttachRoot();
  Status Attach(const Step& step);
  Status TakeCovers(const Step& step);
  Status MountFilesystem(const Step& step);
  Status MakeDirectory(const Step& step);
  Status Mask(const Step& step, const UniqueFd& target);
  Status MakeReadonly(const Step& step, const UniqueFd& target);
  Status WriteSysctl(const Step& step);
  // Where a step mounts. A link may lead anywhere below the root but into a file system of the kernel's (CVE-2019-16884).
  Result<UniqueFd> Target(const Step& step, bool create);
  Status GuardKernels(const Step& step);
  bool IsKernels(int fd) const;

  const LaunchPlan& plan_;
  SourceSet& sources_;
  UniqueFd root_;
  UniqueFd devpts_;
  UniqueFd null_;   // what hides a file
  UniqueFd empty_;  // what hides a directory
  dev_t guarded_[kMaxGuarded];
  unsigned guarded_count_ = 0;
};

}  // namespace cloister
