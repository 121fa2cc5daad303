// A system call filter for commands that have a terminal, on top of the sandbox's own one.
#pragma once

#include "../kernel/result.h"

namespace cloister {

// Refuses to type into a terminal on behalf of its user, ioctl_tty(2): TIOCSTI (CVE-2013-6409, CVE-2017-5226) and TIOCLINUX.
// Docker's profile lets both pass, and a profile cannot refuse them well: the kernel looks at 32 bits of the request, rules at 64
// (CVE-2019-10063).
Status InstallTerminalFilter();

}  // namespace cloister
