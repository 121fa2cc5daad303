#include "sources.h"

#include <string.h>
#include <sys/stat.h>

#include "../kernel/new_filesystem.h"
#include "../kernel/syscalls.h"
#include "clone.h"
#include "home.h"

namespace cloister {
namespace {

// Layers as descriptors exist since Linux 6.13 (Documentation/filesystems/overlayfs.rst); found out once, by trying.
bool layers_by_descriptor = true;

Result<UniqueFd> Subdirectory(int dir, const char* name, const char* part, uint32_t uid, uint32_t gid) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", name, part);
  if (mkdirat(dir, path, 0755) != 0) return LastError("mkdir(2)", path);
  if (fchownat(dir, path, uid, gid, 0) != 0) return LastError("chown(2)", path);
  UniqueFd fd(openat(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return LastError("open(2)", path);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(fd));
}

// Neither the kernel's configuration nor its module parameters decide what a layer means: an upper directory holds exactly the
// changes, whole, and nothing in a lower one, whoever made it, leads to files of another path or layer (looking it up is EPERM).
// Kernels since 4.19 know all of these; one that refuses any gets no overlay. Documentation/filesystems/overlayfs.rst
constexpr KeyValue kOwnLayersOnly[] = {
    {"redirect_dir", "nofollow"},
    {"metacopy", "off"},
    {"index", "off"},
    {"nfs_export", "off"},
};

Status SetOptions(int context, const Array<const KeyValue>& options) {
  for (const KeyValue& option : options) {
    if (sys::FsConfig(context, FSCONFIG_SET_STRING, option.key, option.value, 0) != 0) {
      return LastError("fsconfig(2)", option.key);
    }
  }
  return {};
}

}  // namespace

void LockPath(const SourceSet& set, uint32_t index, char (&path)[32]) {
  struct stat about;
  const bool is_directory = fstat(set.mounts[index].get(), &about) != 0 || S_ISDIR(about.st_mode);
  snprintf(path, sizeof path, is_directory ? home::kLockDirectory : home::kLockFile, index);
}

bool IsAttached(const LaunchPlan& plan, uint32_t index) {
  if (index == plan.root) return true;
  for (const Step& step : plan.steps) {
    if (step.kind == Step::Kind::kAttach && step.index == index) return true;
  }
  return false;
}

Status LockMounts(const LaunchPlan& plan, const SourceSet& set) {
  for (uint32_t i = 0; i < plan.sources.size; i++) {
    if (!IsAttached(plan, i)) continue;
    char path[32];
    LockPath(set, i, path);
    if (sys::MoveMount(set.mounts[i].get(), "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      return LastError("move_mount(2)", path);
    }
  }
  return {};
}

void UnlockMounts(const LaunchPlan& plan, const SourceSet& set) {
  for (uint32_t i = 0; i < plan.sources.size; i++) {
    if (!IsAttached(plan, i)) continue;
    char path[32];
    LockPath(set, i, path);
    sys::Umount(path, sys::kUmountDetach);
  }
}

SourceBuilder::SourceBuilder(const LaunchPlan& plan, const Message& message, int id_map, Devices& devices)
    : plan_(plan),
      message_(message),
      id_map_(id_map),
      devices_(devices),
      root_uid_(RootOutside(plan.uid_map)),
      root_gid_(RootOutside(plan.gid_map)) {}

Status SourceBuilder::Build(SourceSet& set) {
  if (plan_.sources.size > kMaxSources) return Error("launch plan", E2BIG, "sources");
  Status status;
  for (uint32_t i = 0; i < plan_.sources.size && status.ok(); i++) status = BuildOne(i, set);
  // The overlays keep their layers; the paths were only needed to name them.
  if (set.work_attached) sys::Umount(home::kWork, sys::kUmountDetach);
  return status;
}

Status SourceBuilder::BuildOne(uint32_t index, SourceSet& set) {
  const Source& source = plan_.sources[index];
  UniqueFd& mount = set.mounts[index];
  switch (source.kind) {
    case Source::Kind::kHost:
      return FromHost(source, mount);
    case Source::Kind::kTmpfs:
      return NewTmpfs(source, mount);
    case Source::Kind::kOverlay:
      return NewOverlay(source, set, mount);
    case Source::Kind::kDev: {
      CLOISTER_ASSIGN(made, devices_.Take(source.nodes));
      mount = static_cast<UniqueFd&&>(made);
      return {};
    }
  }
  return Error("launch plan", EPROTO, "source");
}

Status SourceBuilder::FromHost(const Source& source, UniqueFd& mount) {
  const int fd = message_.fd(source.fd);
  if (fd < 0) return Error("launch plan", EBADF, "source");
  mount.reset(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  const unsigned flags = source.recursive ? sys::kAtRecursive : 0;
  struct mount_attr attr = {};
  if (source.id_mapping != Source::IdMapping::kNo && id_map_ >= 0) {
    attr.attr_set = MOUNT_ATTR_IDMAP;
    attr.userns_fd = static_cast<uint64_t>(id_map_);
    const bool mapped = sys::MountSetattr(mount.get(), flags, &attr) == 0;
    // EINVAL: this file system cannot, mount_setattr(2).
    const bool accepted = mapped || (errno == EINVAL && source.id_mapping == Source::IdMapping::kIfPossible);
    if (!accepted) return LastError("mount_setattr(2)", "idmapped mount");
  }
  if (source.attributes == 0) return {};
  attr = {};
  attr.attr_set = source.attributes;
  if (sys::MountSetattr(mount.get(), flags, &attr) != 0) return LastError("mount_setattr(2)", "mount attributes");
  return {};
}

Status SourceBuilder::NewTmpfs(const Source& source, UniqueFd& mount) {
  char size[32], inodes[32], mode[16], uid[16], gid[16];
  snprintf(size, sizeof size, "%llu", static_cast<unsigned long long>(source.size_bytes));
  snprintf(inodes, sizeof inodes, "%llu", static_cast<unsigned long long>(source.inodes));
  snprintf(mode, sizeof mode, "%o", source.mode);
  snprintf(uid, sizeof uid, "%u", root_uid_);
  snprintf(gid, sizeof gid, "%u", root_gid_);
  KeyValue options[] = {{"size", size}, {"nr_inodes", inodes}, {"mode", mode}, {"uid", uid}, {"gid", gid}};
  CLOISTER_ASSIGN(made, NewFilesystem("tmpfs", {options, 5}, source.attributes));
  mount = static_cast<UniqueFd&&>(made);
  return {};
}

Status SourceBuilder::NewOverlay(const Source& source, SourceSet& set, UniqueFd& mount) {
  if (mkdirat(set.mounts[source.upper].get(), source.upper_name, 0700) != 0) {
    return LastError("mkdir(2)", source.upper_name);
  }
  for (;;) {
    const UniqueFd context(sys::FsOpen("overlay"));
    if (!context.valid()) return LastError("fsopen(2)", "overlay");
    const bool by_descriptor = layers_by_descriptor;
    const Status layers =
        by_descriptor ? OverlayByDescriptor(source, set, context.get()) : OverlayByPath(source, set, context.get());
    if (!layers.ok()) {
      // Only the first overlay of all may find out that this kernel does not know the way.
      if (by_descriptor && !layers_by_descriptor) continue;
      return layers.error();
    }
    CLOISTER_TRY(SetOptions(context.get(), {kOwnLayersOnly, 4}));
    // Without it unmounting waits for the whole file system of the upper layer, Documentation/filesystems/overlayfs.rst.
    if (source.unsynced && sys::FsConfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0) {
      return LastError("fsconfig(2)", "volatile");
    }
    if (sys::FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
      return LastError("fsconfig(2)", "overlay");
    }
    mount.reset(sys::FsMount(context.get(), static_cast<unsigned>(source.attributes)));
    if (!mount.valid()) return LastError("fsmount(2)", "overlay");
    return {};
  }
}

Status SourceBuilder::OverlayByDescriptor(const Source& source, SourceSet& set, int context) {
  for (const uint32_t lower : source.lowers) {
    if (sys::FsConfig(context, FSCONFIG_SET_FD, "lowerdir+", nullptr, set.mounts[lower].get()) != 0) {
      // EOPNOTSUPP: overlayfs of before Linux 6.5, which takes text only.
      if (errno == EINVAL || errno == EBADF || errno == EOPNOTSUPP) layers_by_descriptor = false;
      return LastError("fsconfig(2)", "lowerdir+");
    }
  }
  const int dir = set.mounts[source.upper].get();
  CLOISTER_ASSIGN(upper, Subdirectory(dir, source.upper_name, "upper", root_uid_, root_gid_));
  CLOISTER_ASSIGN(work, Subdirectory(dir, source.upper_name, "work", 0, 0));
  if (sys::FsConfig(context, FSCONFIG_SET_FD, "upperdir", nullptr, upper.get()) != 0) {
    return LastError("fsconfig(2)", "upperdir");
  }
  if (sys::FsConfig(context, FSCONFIG_SET_FD, "workdir", nullptr, work.get()) != 0) {
    return LastError("fsconfig(2)", "workdir");
  }
  return {};
}

Status SourceBuilder::OverlayByPath(const Source& source, SourceSet& set, int context) {
  const int dir = set.mounts[source.upper].get();
  if (!set.work_attached) {
    if (sys::MoveMount(dir, "", AT_FDCWD, home::kWork, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      return LastError("move_mount(2)", home::kWork);
    }
    set.work_attached = true;
  }
  CLOISTER_ASSIGN(upper, Subdirectory(dir, source.upper_name, "upper", root_uid_, root_gid_));
  CLOISTER_ASSIGN(work, Subdirectory(dir, source.upper_name, "work", 0, 0));
  char lowers[4096] = "";
  size_t length = 0;
  for (const uint32_t lower : source.lowers) {
    char name[64], path[256];
    snprintf(name, sizeof name, "layer%u", lower);
    snprintf(path, sizeof path, "%s/%s/%s", home::kWork, source.upper_name, name);
    CLOISTER_TRY(Subdirectory(dir, source.upper_name, name, 0, 0));
    if (sys::MoveMount(set.mounts[lower].get(), "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      return LastError("move_mount(2)", path);
    }
    const int n = snprintf(lowers + length, sizeof lowers - length, "%s%s", length == 0 ? "" : ":", path);
    if (n < 0 || length + static_cast<size_t>(n) >= sizeof lowers) return Error("fsconfig(2)", E2BIG, "lowerdir");
    length += static_cast<size_t>(n);
  }
  char upper_path[256], work_path[256];
  snprintf(upper_path, sizeof upper_path, "%s/%s/upper", home::kWork, source.upper_name);
  snprintf(work_path, sizeof work_path, "%s/%s/work", home::kWork, source.upper_name);
  const KeyValue options[] = {{"lowerdir", lowers}, {"upperdir", upper_path}, {"workdir", work_path}};
  return SetOptions(context, {options, 3});
}

}  // namespace cloister
