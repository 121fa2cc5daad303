// Cloning the init of a sandbox.
#pragma once

#include <linux/sched.h>
#include <sys/types.h>

#include "../kernel/plan.h"

namespace cloister {

// CLONE_NEW* as clone3(2) gets them. A cgroup namespace is not among them: each command makes its own, inside its cgroup.
uint64_t CloneFlags(uint64_t namespaces);

// The host's id of root inside; 0 where the map has none.
uint32_t RootOutside(const Array<IdMapEntry>& map);

// clone3(2) with a user namespace that belongs to `owner`, 0 for whoever this process is.
//
// What the kernel limits per user (inotify instances, message queues, pending signals, namespaces) is charged to the user inside and
// to the owner of the namespace outside, namespaces(7) "/proc/sys/user". Were all namespaces root's, one sandbox could use up what
// the host's own services and all other sandboxes live on.
long CloneOwnedBy(uint32_t owner, struct clone_args* args);

}  // namespace cloister
