// File systems by the mount calls of Linux 5.2, which name what they refuse and need no path to mount on.
#pragma once

#include "plan.h"
#include "result.h"
#include "unique_fd.h"

namespace cloister {

// A new file system that is attached nowhere, fsopen(2) to fsmount(2); attributes are MOUNT_ATTR_*. An option without a value is a flag.
Result<UniqueFd> NewFilesystem(const char* type, const Array<KeyValue>& options, uint64_t attributes);

}  // namespace cloister
