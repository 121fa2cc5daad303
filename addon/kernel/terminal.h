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
// The master does not block.
Status OpenTerminal(int devpts, unsigned columns, unsigned rows, Terminal& terminal);
// The other end, which becomes nobody's controlling terminal. While it is open, what programs wrote can be read until nothing is
// left, also when they have gone: without it the EIO that says so now and then comes before the last of it.
Result<UniqueFd> OpenTerminalPeer(int master);
Status ResizeTerminal(int fd, unsigned columns, unsigned rows);

}  // namespace cloister
