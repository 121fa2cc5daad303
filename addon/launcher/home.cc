#include "home.h"

#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "../kernel/new_filesystem.h"
#include "../kernel/syscalls.h"

namespace cloister {
namespace {

Status MakePrivate() {
  struct mount_attr attr = {};
  attr.propagation = 1UL << 18;  // MS_PRIVATE
  const UniqueFd root(open("/", O_PATH | O_CLOEXEC));
  if (sys::MountSetattr(root.get(), sys::kAtRecursive, &attr) != 0) return LastError("mount_setattr(2)", "private");
  return {};
}

Result<UniqueFd> Clone(const char* path) {
  UniqueFd tree(sys::OpenTree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.valid()) return LastError("open_tree(2)", path);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(tree));
}

Status Attach(const UniqueFd& tree, const char* target) {
  if (sys::MoveMount(tree.get(), "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) == 0) return {};
  return LastError("move_mount(2)", target);
}

Status MakeDirectories() {
  const char* const all[] = {home::kProc, home::kSys, home::kRoot, home::kWork, home::kLock};
  for (const char* path : all) {
    if (mkdir(path, 0755) != 0) return LastError("mkdir(2)", path);
  }
  for (uint32_t slot = 0; slot < home::kLockSlots; slot++) {
    char path[32];
    snprintf(path, sizeof path, home::kLockDirectory, slot);
    if (mkdir(path, 0755) != 0) return LastError("mkdir(2)", path);
    snprintf(path, sizeof path, home::kLockFile, slot);
    if (mknod(path, S_IFREG | 0444, 0) != 0) return LastError("mknod(2)", path);
  }
  return {};
}

Status LockDown() {
  struct mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const UniqueFd root(open("/", O_PATH | O_CLOEXEC));
  if (sys::MountSetattr(root.get(), 0, &attr) != 0) return LastError("mount_setattr(2)", "/");
  return {};
}

}  // namespace

Status EnterHome() {
  if (unshare(CLONE_NEWNS) != 0) return LastError("unshare(2)", "CLONE_NEWNS");
  CLOISTER_TRY(MakePrivate());
  CLOISTER_ASSIGN(proc, Clone("/proc"));
  CLOISTER_ASSIGN(sys, Clone("/sys"));
  const KeyValue options[] = {{"size", "1m"}, {"mode", "755"}};
  CLOISTER_ASSIGN(root, NewFilesystem("tmpfs", {const_cast<KeyValue*>(options), 2}, 0));
  // Any directory that is sure to exist will do to stand on while the roots change places.
  CLOISTER_TRY(Attach(root, "/proc"));
  if (chdir("/proc") != 0) return LastError("chdir(2)", "/proc");
  if (sys::PivotRoot(".", ".") != 0) return LastError("pivot_root(2)");
  if (sys::Umount(".", sys::kUmountDetach) != 0) return LastError("umount2(2)", "the host's root");
  if (chdir("/") != 0) return LastError("chdir(2)", "/");
  CLOISTER_TRY(MakeDirectories());
  CLOISTER_TRY(Attach(proc, home::kProc));
  CLOISTER_TRY(Attach(sys, home::kSys));
  return LockDown();
}

}  // namespace cloister
