// One sandbox: its mounts, its init process in new namespaces, its id mapping.
#pragma once

#include <sys/types.h>

#include "../kernel/message.h"
#include "../kernel/status.h"
#include "devices.h"
#include "id_maps.h"
#include "spare.h"

namespace cloister {

struct Launcher {
  int control_fd;  // from the application
  int status_fd;   // to the application
  int proc_fd;     // procfs of the launcher's own pid namespace
  IdMapCache id_maps;
  Devices devices;
  Spare spare;
};

struct Launched {
  uint32_t sandbox = 0;
  pid_t pid = -1;
};

// Reports a failure as kBroken by itself; `pid` is -1 then.
Launched Launch(Launcher& launcher, const Message& message, Arena& arena);

}  // namespace cloister
