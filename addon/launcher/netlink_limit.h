// What waits in netlink sockets is charged to no control group: without a limit of their number, some thousand of them hold gigabytes
// of the host's memory for a sandbox that may use megabytes.
//
//   command ── socket(AF_NETLINK) ──► filter of init ──► listener ──► init counts ──► goes on, or ENOBUFS
//
// Only the arguments in registers are looked at, which cannot change between the look and the call; seccomp_unotify(2) warns of
// the others.
#pragma once

#include "../kernel/unique_fd.h"

namespace cloister {

class NetlinkLimit {
 public:
  // In init, when its /proc is there. `listener`: what InstallInitFilter() gave. `shared`: the network namespace has sockets of
  // others, too.
  void Watch(UniqueFd listener, bool shared);
  // Readable when a call waits; -1 without a limit.
  int fd() const { return listener_.get(); }
  // Decides about one call that waits.
  void Answer();

 private:
  static constexpr int kMost = 128;  // with a full buffer each, some 40 MiB

  bool Grants();

  UniqueFd listener_;
  int others_ = 0;
  int granted_ = 0;  // at most so many are open
};

}  // namespace cloister
