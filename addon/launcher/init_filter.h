// The system call filter of init, inherited by all that runs in the sandbox, below the sandbox's own profile. It holds what a profile
// cannot: the kernel looks at 32 bits of these arguments, rules at 64 (CVE-2019-10063), and a rule cannot ask init.
//
// - ioctl(2) TIOCSTI and TIOCLINUX: they type into a terminal on behalf of its user (CVE-2013-6409, CVE-2017-5226).
// - ioctl(2) TIOCSETD: any user's request for a line discipline makes the kernel load its module, and these have been a way into the
//   kernel (CVE-2014-0196, CVE-2017-2636, CVE-2023-6546).
// - socket(2) AF_NETLINK: init decides, see NetlinkLimit.
//
// Docker's profile lets all of them pass.
#pragma once

#include "../kernel/result.h"
#include "../kernel/unique_fd.h"

namespace cloister {

// What waits for init, or nothing: where the application runs below such a listener itself, the kernel allows one only, and netlink
// sockets are that one's to count.
Result<UniqueFd> InstallInitFilter();

}  // namespace cloister
