// The mounts of a sandbox that need the host's privileges, made before the sandbox exists and handed over detached.
#pragma once

#include "../kernel/message.h"
#include "../kernel/plan.h"
#include "../kernel/unique_fd.h"
#include "devices.h"
#include "home.h"

namespace cloister {

inline constexpr uint32_t kMaxSources = home::kLockSlots;

struct SourceSet {
  UniqueFd mounts[kMaxSources];
  bool work_attached = false;
};

// The kernel locks read-only, nosuid and nodev of a mount when it is copied into a namespace of other owners, and only then
// (mount_namespaces(7)). So every mount that init is to attach stands in the launcher's namespace while the sandbox's is cloned from
// it, and init takes it from there: LockMounts before clone3(2), UnlockMounts after. Root file systems, too: an image may ship device
// nodes, and nodev is all that keeps CAP_SYS_ADMIN inside from using them.
Status LockMounts(const LaunchPlan& plan, const SourceSet& set);
void UnlockMounts(const LaunchPlan& plan, const SourceSet& set);
// Whether the source becomes the root or is attached by a step; layers of an overlay are not.
bool IsAttached(const LaunchPlan& plan, uint32_t index);
// The path of a source that was locked: a file is mounted on a file, a directory on a directory, move_mount(2).
void LockPath(const SourceSet& set, uint32_t index, char (&path)[32]);

class SourceBuilder {
 public:
  // `id_map` is a user namespace with the sandbox's mapping, -1 where it has none.
  SourceBuilder(const LaunchPlan& plan, const Message& message, int id_map, Devices& devices);
  Status Build(SourceSet& set);

 private:
  Status BuildOne(uint32_t index, SourceSet& set);
  Status FromHost(const Source& source, UniqueFd& mount);
  Status NewTmpfs(const Source& source, UniqueFd& mount);
  Status NewOverlay(const Source& source, SourceSet& set, UniqueFd& mount);
  Status OverlayByDescriptor(const Source& source, SourceSet& set, int context);
  Status OverlayByPath(const Source& source, SourceSet& set, int context);

  const LaunchPlan& plan_;
  const Message& message_;
  int id_map_;
  Devices& devices_;
  uint32_t root_uid_;
  uint32_t root_gid_;
};

}  // namespace cloister
