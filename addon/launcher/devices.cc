#include "devices.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../kernel/new_filesystem.h"
#include "../kernel/syscalls.h"
#include "home.h"

namespace cloister {
namespace {

// Parents first: "dri/card0" needs "dri".
void MakeParents(int dir, const char* path) {
  for (const char* slash = strchr(path, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
    char parent[256];
    snprintf(parent, sizeof parent, "%.*s", static_cast<int>(slash - path), path);
    mkdirat(dir, parent, 0755);
  }
}

int MakeNode(int dir, const DeviceNode& node) {
  if (node.kind == 'l') {
    return node.link[0] == '\0' ? mkdirat(dir, node.path, node.mode) : symlinkat(node.link, dir, node.path);
  }
  return mknodat(dir, node.path, (node.kind == 'b' ? S_IFBLK : S_IFCHR) | node.mode, makedev(node.major, node.minor));
}

Status MakeNodes(int dir, const Array<DeviceNode>& nodes) {
  const mode_t previous = umask(0);
  Status status;
  for (const DeviceNode& node : nodes) {
    MakeParents(dir, node.path);
    if (MakeNode(dir, node) == 0) continue;
    status = LastError("mknod(2)", node.path);
    break;
  }
  umask(previous);
  return status;
}

Result<UniqueFd> Make(const Array<DeviceNode>& nodes) {
  KeyValue options[] = {{"size", "64k"}, {"mode", "755"}};
  CLOISTER_ASSIGN(made, NewFilesystem("tmpfs", {options, 2}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  CLOISTER_TRY(MakeNodes(made.get(), nodes));
  struct mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_RDONLY;
  if (sys::MountSetattr(made.get(), 0, &attr) != 0) return LastError("mount_setattr(2)", "/dev");
  return Result<UniqueFd>(static_cast<UniqueFd&&>(made));
}

bool AreEqual(const DeviceNode& a, const DeviceNode& b) {
  return a.kind == b.kind && a.major == b.major && a.minor == b.minor && a.mode == b.mode &&
         strcmp(a.path, b.path) == 0 && strcmp(a.link, b.link) == 0;
}

}  // namespace

Result<UniqueFd> Devices::Take(const Array<DeviceNode>& nodes) {
  if (ready() && Matches(nodes)) return Result<UniqueFd>(static_cast<UniqueFd&&>(ahead_));
  Drop();
  if (!Matches(nodes) && !Remember(nodes)) count_ = 0;
  return Make(nodes);
}

void Devices::Prepare() {
  if (ready() || count_ == 0) return;
  Result<UniqueFd> made = Make({nodes_, count_});
  if (made.ok()) ahead_ = static_cast<UniqueFd&&>(made.value());
}

bool Devices::Remember(const Array<DeviceNode>& nodes) {
  if (nodes.size > kMaxNodes) return false;
  size_t at = 0;
  const auto keep = [&](const char* text) -> const char* {
    const size_t size = strlen(text) + 1;
    if (at + size > sizeof text_) return nullptr;
    char* copy = static_cast<char*>(memcpy(text_ + at, text, size));
    at += size;
    return copy;
  };
  for (uint32_t i = 0; i < nodes.size; i++) {
    nodes_[i] = nodes[i];
    nodes_[i].path = keep(nodes[i].path);
    nodes_[i].link = keep(nodes[i].link);
    if (nodes_[i].path == nullptr || nodes_[i].link == nullptr) return false;
  }
  count_ = nodes.size;
  return true;
}

bool Devices::Matches(const Array<DeviceNode>& nodes) const {
  if (nodes.size != count_) return false;
  for (uint32_t i = 0; i < count_; i++) {
    if (!AreEqual(nodes_[i], nodes[i])) return false;
  }
  return true;
}

}  // namespace cloister
