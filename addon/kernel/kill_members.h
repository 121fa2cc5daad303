// Ends the processes of a control group that has no cgroup.kill (v1, and v2 before Linux 5.14).
#pragma once

#include "result.h"

namespace cloister {

// SIGKILL to every process in a cgroup.procs file. A number alone may be another process's by the time of the signal, one of the
// host's even: a fork bomb goes round all 32,768 of them within seconds. So each is held by a pidfd and must be listed once more.
Status KillMembers(const char* procs_file);

}  // namespace cloister
