#include "filesystem.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "../kernel/new_filesystem.h"
#include "../kernel/syscalls.h"
#include "home.h"

namespace cloister {
namespace {

constexpr int kResolveAttempts = 100;
const dev_t kNullDevice = makedev(1, 3);  // Documentation/admin-guide/devices.txt

// A link of the image leads where nothing can be mounted; lib/runtime/refusal.ts makes an error about the image of it.
constexpr const char* kMisplaced = "mount target";

// Below `root`. A directory that is moved meanwhile, which two sandboxes with a shared mount may do to each other, makes the kernel
// ask for another try, openat2(2) EAGAIN.
UniqueFd Resolve(int root, const char* path, const Step& step) {
  // The kernel's file systems go onto directories; what move_mount(2) says of a file, EINVAL, it says of much else.
  const bool is_mount = step.kind == Step::Kind::kAttach || step.kind == Step::Kind::kFilesystem;
  const uint64_t flags = O_PATH | (step.strict && is_mount ? O_DIRECTORY : 0);
  const uint64_t how = RESOLVE_NO_MAGICLINKS | (step.strict ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_IN_ROOT);
  UniqueFd found;
  for (int attempt = 0; attempt < kResolveAttempts; attempt++) {
    found.reset(sys::OpenAt2(root, path, flags, 0, how));
    if (found.valid() || errno != EAGAIN) break;
  }
  return found;
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
    UniqueFd found = Resolve(root, prefix, step);
    if (!found.valid() && errno == ENOENT) {
      const int made =
          last && step.file ? mknodat(parent.get(), name, S_IFREG | 0644, 0) : mkdirat(parent.get(), name, 0755);
      if (made != 0 && errno != EEXIST) return LastError("mkdir(2)", step.path);
      found = Resolve(root, prefix, step);
      // It is there, and it is not: a link that leads nowhere.
      if (!found.valid() && errno == ENOENT) return Error(kMisplaced, ENOENT, step.path);
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

Result<UniqueFd> Filesystem::Take(uint32_t index) {
  if (!plan_.lock_mounts) return Result<UniqueFd>(static_cast<UniqueFd&&>(sources_.mounts[index]));
  char path[32];
  LockPath(sources_, index, path);
  return CloneTree(AT_FDCWD, path, plan_.sources[index].recursive);
}

Status Filesystem::AttachRoot() {
  CLOISTER_ASSIGN(mount, Take(plan_.root));
  if (sys::MoveMount(mount.get(), "", AT_FDCWD, home::kRoot, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return LastError("move_mount(2)", "/");
  }
  root_.reset(open(home::kRoot, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root_.valid()) return LastError("open(2)", "/");
  return {};
}

Result<UniqueFd> Filesystem::Target(const Step& step, bool create) {
  UniqueFd target = Resolve(root_.get(), step.path, step);
  if (!target.valid() && errno == ENOENT && create) {
    CLOISTER_TRY(Create(root_.get(), step));
    target = Resolve(root_.get(), step.path, step);
  }
  if (!target.valid()) return LastError("openat2(2)", step.path);
  if (!step.strict && IsKernels(target.get())) return Error(kMisplaced, EXDEV, step.path);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(target));
}

Status Filesystem::GuardKernels(const Step& step) {
  const UniqueFd mounted = Resolve(root_.get(), step.path, step);
  struct stat about;
  if (!mounted.valid() || fstat(mounted.get(), &about) != 0) return LastError("stat(2)", step.path);
  if (guarded_count_ == kMaxGuarded) return Error("launch plan", E2BIG, step.path);
  guarded_[guarded_count_++] = about.st_dev;
  return {};
}

bool Filesystem::IsKernels(int fd) const {
  struct stat about;
  if (fstat(fd, &about) != 0) return true;
  for (unsigned i = 0; i < guarded_count_; i++) {
    if (guarded_[i] == about.st_dev) return true;
  }
  return false;
}

Status Filesystem::Assemble() {
  CLOISTER_TRY(AttachRoot());
  for (const Step& step : plan_.steps) {
    if (step.kind == Step::Kind::kAttach) CLOISTER_TRY(Attach(step));
    if (step.kind == Step::Kind::kFilesystem) CLOISTER_TRY(MountFilesystem(step));
    if (step.kind == Step::Kind::kDirectory) CLOISTER_TRY(MakeDirectory(step));
  }
  return {};
}

Status Filesystem::Attach(const Step& step) {
  CLOISTER_ASSIGN(target, Target(step, true));
  CLOISTER_ASSIGN(mount, Take(step.index));
  CLOISTER_TRY(MoveOnto(mount.get(), target.get(), step.path));
  return plan_.sources[step.index].kind == Source::Kind::kDev ? TakeCovers(step) : Status();
}

// From now on they are known by descriptor: whatever comes to lie at these paths is not asked again (CVE-2025-31133).
Status Filesystem::TakeCovers(const Step& step) {
  CLOISTER_TRY(GuardKernels(step));
  const auto open_below = [&](const char* name, uint64_t flags) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", step.path, name);
    return sys::OpenAt2(root_.get(), path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  };
  null_.reset(open_below("null", O_RDWR));
  if (!null_.valid()) return LastError("openat2(2)", "/dev/null");
  struct stat about;
  if (fstat(null_.get(), &about) != 0) return LastError("stat(2)", "/dev/null");
  if (!S_ISCHR(about.st_mode) || about.st_rdev != kNullDevice) return Error("stat(2)", ENODEV, "/dev/null");
  // The directory itself: a file system that is mounted on it later is another one.
  empty_.reset(open_below("mqueue", O_PATH | O_DIRECTORY));
  return empty_.valid() ? Status() : LastError("openat2(2)", "/dev/mqueue");
}

Status Filesystem::MountFilesystem(const Step& step) {
  CLOISTER_ASSIGN(target, Target(step, true));
  // A sandbox on the host's network may not mount a sysfs of its own (it would show another's network devices).
  if (strcmp(step.type, "bind-sys") == 0) {
    CLOISTER_ASSIGN(bound, CloneTree(AT_FDCWD, home::kSys, false));
    CLOISTER_TRY(SetAttributes(bound.get(), step.attributes, step.path));
    CLOISTER_TRY(MoveOnto(bound.get(), target.get(), step.path));
    return GuardKernels(step);
  }
  CLOISTER_ASSIGN(mount, NewFilesystem(step.type, step.options, step.attributes));
  CLOISTER_TRY(MoveOnto(mount.get(), target.get(), step.path));
  if (step.strict) CLOISTER_TRY(GuardKernels(step));
  if (strcmp(step.type, "devpts") == 0) devpts_ = static_cast<UniqueFd&&>(mount);
  return {};
}

// What is there already may be anything: it is the image's own.
Status Filesystem::MakeDirectory(const Step& step) {
  CLOISTER_ASSIGN(target, Target(step, true));
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
    if (step.kind != Step::Kind::kMask && step.kind != Step::Kind::kReadonly) continue;
    Result<UniqueFd> target = Target(step, false);
    if (!target.ok()) {
      // Only what is to be protected may be missing, never what protects it.
      if (step.optional && target.error().code == ENOENT) continue;
      return target.error();
    }
    CLOISTER_TRY(step.kind == Step::Kind::kMask ? Mask(step, target.value()) : MakeReadonly(step, target.value()));
  }
  return plan_.readonly_root ? SetAttributes(root_.get(), MOUNT_ATTR_RDONLY, "/") : Status();
}

Status Filesystem::Mask(const Step& step, const UniqueFd& target) {
  struct stat about;
  if (fstat(target.get(), &about) != 0) return LastError("stat(2)", step.path);
  CLOISTER_ASSIGN(tree, CloneTree(S_ISDIR(about.st_mode) ? empty_.get() : null_.get(), "", false));
  return MoveOnto(tree.get(), target.get(), step.path);
}

Status Filesystem::MakeReadonly(const Step& step, const UniqueFd& target) {
  CLOISTER_ASSIGN(tree, CloneTree(target.get(), "", true));
  CLOISTER_TRY(SetAttributes(tree.get(), MOUNT_ATTR_RDONLY, step.path));
  return MoveOnto(tree.get(), target.get(), step.path);
}

Status Filesystem::Enter() {
  if (fchdir(root_.get()) != 0) return LastError("fchdir(2)", "/");
  if (sys::PivotRoot(".", ".") != 0) return LastError("pivot_root(2)");
  if (sys::Umount(".", sys::kUmountDetach) != 0) return LastError("umount2(2)", "the launcher's root");
  root_.reset();
  empty_.reset();
  if (chdir("/") != 0) return LastError("chdir(2)", "/");
  return {};
}

}  // namespace cloister
