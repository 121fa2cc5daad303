#include "filesystem.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "../kernel/syscalls.h"
#include "home.h"

namespace cloister {
namespace {

uint64_t Resolve(const Step& step) {
  return RESOLVE_NO_MAGICLINKS | (step.strict ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_IN_ROOT);
}

// Makes the missing directories of `path` (and a file at its end), each below the one resolved before it.
Status Create(int root, const Step& step) {
  char prefix[512];
  UniqueFd parent(sys::OpenAt2(root, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH));
  if (strlen(step.path) >= sizeof prefix) return Error("mkdir(2)", ENAMETOOLONG, step.path);
  for (const char* at = step.path; *at != '\0';) {
    const size_t length = strcspn(at, "/");
    const bool last = at[length] == '\0';
    char name[256];
    if (length >= sizeof name) return Error("mkdir(2)", ENAMETOOLONG, step.path);
    snprintf(name, length + 1, "%s", at);
    const size_t end = static_cast<size_t>(at - step.path) + length;
    snprintf(prefix, end + 1, "%s", step.path);
    UniqueFd found(sys::OpenAt2(root, prefix, O_PATH, 0, Resolve(step)));
    if (!found.valid() && errno == ENOENT) {
      const int made =
          last && step.file ? mknodat(parent.get(), name, S_IFREG | 0644, 0) : mkdirat(parent.get(), name, 0755);
      if (made != 0 && errno != EEXIST) return LastError("mkdir(2)", step.path);
      found.reset(sys::OpenAt2(root, prefix, O_PATH, 0, Resolve(step)));
    }
    if (!found.valid()) return LastError("openat2(2)", step.path);
    parent = static_cast<UniqueFd&&>(found);
    at += length + (last ? 0 : 1);
  }
  return {};
}

Status MoveOnto(int mount, int target, const char* path) {
  if (sys::MoveMount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0) return {};
  return LastError("move_mount(2)", path);
}

Result<UniqueFd> CloneTree(int dir, const char* path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | sys::kAtEmptyPath | (recursive ? sys::kAtRecursive : 0);
  UniqueFd tree(sys::OpenTree(dir, path, flags));
  if (!tree.valid()) return LastError("open_tree(2)", path);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(tree));
}

Status SetAttributes(int mount, uint64_t attributes, const char* path) {
  if (attributes == 0) return {};
  struct mount_attr attr = {};
  attr.attr_set = attributes;
  if (sys::MountSetattr(mount, 0, &attr) != 0) return LastError("mount_setattr(2)", path);
  return {};
}

}  // namespace

Status Filesystem::AttachRoot() {
  const int mount = sources_.mounts[plan_.root].get();
  if (sys::MoveMount(mount, "", AT_FDCWD, home::kRoot, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return LastError("move_mount(2)", "/");
  }
  root_.reset(open(home::kRoot, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root_.valid()) return LastError("open(2)", "/");
  return {};
}

Result<UniqueFd> Filesystem::Target(const Step& step, bool create) {
  UniqueFd target(sys::OpenAt2(root_.get(), step.path, O_PATH, 0, Resolve(step)));
  if (!target.valid() && errno == ENOENT && create) {
    CLOISTER_TRY(Create(root_.get(), step));
    target.reset(sys::OpenAt2(root_.get(), step.path, O_PATH, 0, Resolve(step)));
  }
  if (!target.valid()) return LastError("openat2(2)", step.path);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(target));
}

Status Filesystem::Assemble() {
  CLOISTER_TRY(AttachRoot());
  for (const Step& step : plan_.steps) {
    if (step.kind == Step::Kind::kAttach) CLOISTER_TRY(Attach(step));
    if (step.kind == Step::Kind::kFilesystem) CLOISTER_TRY(MountFilesystem(step));
  }
  return {};
}

Status Filesystem::Attach(const Step& step) {
  CLOISTER_ASSIGN(target, Target(step, true));
  const Source& source = plan_.sources[step.index];
  if (source.kind == Source::Kind::kDev && !sources_.mounts[step.index].valid()) {
    CLOISTER_ASSIGN(dev, CloneTree(AT_FDCWD, home::kDev, false));
    return MoveOnto(dev.get(), target.get(), step.path);
  }
  if (source.kind == Source::Kind::kHost && plan_.lock_mounts) {
    char path[32];
    LockPath(step.index, path);
    CLOISTER_ASSIGN(locked, CloneTree(AT_FDCWD, path, source.recursive));
    return MoveOnto(locked.get(), target.get(), step.path);
  }
  return MoveOnto(sources_.mounts[step.index].get(), target.get(), step.path);
}

Status Filesystem::MountFilesystem(const Step& step) {
  CLOISTER_ASSIGN(target, Target(step, true));
  // A sandbox on the host's network may not mount a sysfs of its own (it would show another's network devices).
  if (strcmp(step.type, "bind-sys") == 0) {
    CLOISTER_ASSIGN(bound, CloneTree(AT_FDCWD, home::kSys, false));
    CLOISTER_TRY(SetAttributes(bound.get(), step.attributes, step.path));
    return MoveOnto(bound.get(), target.get(), step.path);
  }
  CLOISTER_ASSIGN(mount, NewFilesystem(step.type, step.options, step.attributes));
  CLOISTER_TRY(MoveOnto(mount.get(), target.get(), step.path));
  if (strcmp(step.type, "devpts") == 0) devpts_ = static_cast<UniqueFd&&>(mount);
  return {};
}

Status Filesystem::WriteSysctls() {
  for (const Step& step : plan_.steps) {
    if (step.kind == Step::Kind::kSysctl) CLOISTER_TRY(WriteSysctl(step));
  }
  return {};
}

Status Filesystem::WriteSysctl(const Step& step) {
  char path[300];
  snprintf(path, sizeof path, "proc/sys/%s", step.path);
  const UniqueFd file(sys::OpenAt2(root_.get(), path, O_WRONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
  if (!file.valid()) return LastError("openat2(2)", path);
  struct statfs about;
  // The write goes to the kernel's procfs or nowhere, CVE-2025-52881.
  if (fstatfs(file.get(), &about) != 0 || about.f_type != PROC_SUPER_MAGIC) return Error("statfs(2)", ENODEV, path);
  const size_t length = strlen(step.value);
  if (write(file.get(), step.value, length) != static_cast<ssize_t>(length)) return LastError("write(2)", path);
  return {};
}

Status Filesystem::Protect() {
  for (const Step& step : plan_.steps) {
    Status status;
    if (step.kind == Step::Kind::kMask) status = Mask(step);
    if (step.kind == Step::Kind::kReadonly) status = MakeReadonly(step);
    const bool missing = !status.ok() && step.optional && status.error().code == ENOENT;
    if (!status.ok() && !missing) return status;
  }
  return plan_.readonly_root ? SetAttributes(root_.get(), MOUNT_ATTR_RDONLY, "/") : Status();
}

Status Filesystem::Mask(const Step& step) {
  CLOISTER_ASSIGN(target, Target(step, false));
  struct stat about;
  if (fstat(target.get(), &about) != 0) return LastError("stat(2)", step.path);
  const char* cover = S_ISDIR(about.st_mode) ? home::kEmpty : "/dev/null";
  CLOISTER_ASSIGN(tree, CloneTree(AT_FDCWD, cover, false));
  return MoveOnto(tree.get(), target.get(), step.path);
}

Status Filesystem::MakeReadonly(const Step& step) {
  CLOISTER_ASSIGN(target, Target(step, false));
  CLOISTER_ASSIGN(tree, CloneTree(target.get(), "", true));
  CLOISTER_TRY(SetAttributes(tree.get(), MOUNT_ATTR_RDONLY, step.path));
  return MoveOnto(tree.get(), target.get(), step.path);
}

Status Filesystem::Enter() {
  if (fchdir(root_.get()) != 0) return LastError("fchdir(2)", "/");
  if (sys::PivotRoot(".", ".") != 0) return LastError("pivot_root(2)");
  if (sys::Umount(".", sys::kUmountDetach) != 0) return LastError("umount2(2)", "the launcher's root");
  root_.reset();
  if (chdir("/") != 0) return LastError("chdir(2)", "/");
  return {};
}

}  // namespace cloister
