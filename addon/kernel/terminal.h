// A pseudo-terminal of the sandbox's own devpts instance, pts(4).
#pragma once

#include "result.h"
#include "unique_fd.h"

namespace cloister {

struct Terminal {
  UniqueFd master;
  UniqueFd slave;
};

// `devpts` is the mount itself: what stands at /dev/pts by now could be anything (CVE-2025-52565).
Status OpenTerminal(int devpts, unsigned columns, unsigned rows, Terminal& terminal);
Status ResizeTerminal(int fd, unsigned columns, unsigned rows);

}  // namespace cloister
