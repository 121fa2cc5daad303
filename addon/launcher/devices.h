// The /dev of a sandbox: a small read-only file system of its own. Nodes that several sandboxes shared would tell one what another
// does with them (inotify(7)), and let it hold their locks (flock(2)).
#pragma once

#include "../kernel/plan.h"
#include "../kernel/unique_fd.h"

namespace cloister {

class Devices {
 public:
  // A detached mount with these nodes.
  Result<UniqueFd> Take(const Array<DeviceNode>& nodes);
  // Makes one ahead, like the one that was taken last. A failure is no error here: the start itself will meet it.
  void Prepare();
  bool ready() const { return ahead_.valid(); }
  void Drop() { ahead_.reset(); }

 private:
  static constexpr uint32_t kMaxNodes = 32;
  static constexpr uint32_t kMaxText = 1024;

  // Keeps a copy of the nodes; false when they are too many.
  bool Remember(const Array<DeviceNode>& nodes);
  bool Matches(const Array<DeviceNode>& nodes) const;

  DeviceNode nodes_[kMaxNodes];
  uint32_t count_ = 0;
  char text_[kMaxText];
  UniqueFd ahead_;
};

}  // namespace cloister
