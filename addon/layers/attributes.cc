#include "attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "../kernel/syscalls.h"

namespace cloister::layers {
namespace {

// Never out of an archive. What ends with a dot is a prefix.
constexpr std::string_view kForbidden[] = {
    // Overlayfs's own notes about a layer: a planted redirect, opaque mark or metacopy would show files of other layers or
    // hide them, https://docs.kernel.org/filesystems/overlayfs.html.
    "trusted.overlay.",
    "user.overlay.",
    // Of the host that the layer was made on, and no file of this one.
    "security.selinux",
    "security.ima",
    "security.evm",
    "security.apparmor",
    "security.SMACK64",
    "system.nfs4_acl",
};

constexpr const char* kAccessAcl = "system.posix_acl_access";
constexpr mode_t kSetIds = S_ISUID | S_ISGID;

Error KernelError(const char* call, std::string_view path) { return {call, errno, Printable(path, 150).c_str()}; }

// Magic, but ours: the only way to name what an O_PATH descriptor refers to for calls without an `at` form, open(2).
void PathOfFd(int fd, char (&out)[32]) { snprintf(out, sizeof out, "/proc/self/fd/%d", fd); }

void Times(const Attributes& attributes, struct timespec (&times)[2]) {
  times[1].tv_sec = attributes.mtime_s;
  times[1].tv_nsec = attributes.mtime_ns;
  times[0] = times[1];
}

// chown(2) takes the set-ID bits away, also for root.
bool NeedsChmod(const Attributes& attributes, const Birth& birth) {
  return !birth.mode_is_exact || birth.may_have_acl || (attributes.mode & kSetIds) != 0;
}

bool NeedsChown(const Attributes& attributes, const Birth& birth) {
  return !birth.owner_is_ours || attributes.uid != OwnUid() || attributes.gid != OwnGid();
}

bool Has(const Xattrs& xattrs, std::string_view name) {
  return std::any_of(xattrs.begin(), xattrs.end(), [&](const auto& xattr) { return xattr.first == name; });
}

}  // namespace

uid_t OwnUid() {
  static const uid_t uid = geteuid();
  return uid;
}

gid_t OwnGid() {
  static const gid_t gid = getegid();
  return gid;
}

bool IsXattrAllowed(std::string_view name) {
  return std::none_of(std::begin(kForbidden), std::end(kForbidden), [&](std::string_view forbidden) {
    return forbidden.ends_with('.') ? name.starts_with(forbidden) : name == forbidden;
  });
}

const char* TakeAttributes(TarEntry& entry, Attributes& attributes) {
  // The last id means "leave it" to chown(2).
  if (entry.uid >= UINT32_MAX || entry.gid >= UINT32_MAX) return "an owner beyond 4294967294";
  attributes.mode = entry.mode;
  attributes.uid = static_cast<uid_t>(entry.uid);
  attributes.gid = static_cast<gid_t>(entry.gid);
  attributes.mtime_s = entry.mtime_s;
  attributes.mtime_ns = entry.mtime_ns;
  attributes.xattrs = std::move(entry.xattrs);
  attributes.offset = entry.header_offset;
  return nullptr;
}

Status AttributeWriter::SetXattrs(int fd, bool is_path_fd, const Attributes& attributes, std::string_view path) {
  char name_of_fd[32];
  PathOfFd(fd, name_of_fd);
  for (const auto& [name, value] : attributes.xattrs) {
    if (!IsXattrAllowed(name)) {
      dropped_++;
      continue;
    }
    const int result = is_path_fd ? setxattr(name_of_fd, name.c_str(), value.data(), value.size(), 0)
                                  : fsetxattr(fd, name.c_str(), value.data(), value.size(), 0);
    if (result == 0) continue;
    // Only files and directories have attributes of users, xattr(7).
    const bool is_misplaced = errno == EPERM && is_path_fd && std::string_view(name).starts_with("user.");
    if (errno == EOPNOTSUPP || is_misplaced) {
      dropped_++;
      continue;
    }
    if (errno == EINVAL || errno == ERANGE || errno == E2BIG) {
      const std::string reason = "the kernel takes no such attribute: " + Printable(name, 40);
      return Fault(FaultKind::kCorrupt, attributes.offset, path, reason.c_str());
    }
    return KernelError("setxattr(2)", path);
  }
  return Done{};
}

Status AttributeWriter::RemoveXattrs(int fd, const Xattrs& kept, std::string_view path) {
  // XATTR_LIST_MAX, xattr(7).
  std::string names(size_t{64} * 1024, '\0');
  const ssize_t size = flistxattr(fd, names.data(), names.size());
  if (size < 0) return errno == EOPNOTSUPP ? Status() : KernelError("flistxattr(2)", path);
  for (const char* name = names.data(); name < names.data() + size; name += strlen(name) + 1) {
    if (!IsXattrAllowed(name) || Has(kept, name)) continue;
    if (fremovexattr(fd, name) != 0 && errno != ENODATA) return KernelError("fremovexattr(2)", path);
  }
  return Done{};
}

Status AttributeWriter::ToFile(int fd, const Attributes& attributes, const Birth& birth, std::string_view path) {
  if (birth.may_have_acl && fremovexattr(fd, kAccessAcl) != 0 && errno != ENODATA && errno != EOPNOTSUPP) {
    return KernelError("fremovexattr(2)", path);
  }
  if (NeedsChown(attributes, birth) && fchown(fd, attributes.uid, attributes.gid) != 0) {
    return KernelError("fchown(2)", path);
  }
  if (NeedsChmod(attributes, birth) && fchmod(fd, attributes.mode) != 0) return KernelError("fchmod(2)", path);
  if (!attributes.xattrs.empty()) CLOISTER_TRY(SetXattrs(fd, false, attributes, path));
  struct timespec times[2];
  Times(attributes, times);
  if (futimens(fd, times) != 0) return KernelError("futimens(3)", path);
  return Done{};
}

Status AttributeWriter::ToDirectory(int fd, const Attributes& attributes, bool has_others, std::string_view path) {
  if (has_others) CLOISTER_TRY(RemoveXattrs(fd, attributes.xattrs, path));
  struct stat now;
  if (fstat(fd, &now) != 0) return KernelError("fstat(2)", path);
  const bool chowns = now.st_uid != attributes.uid || now.st_gid != attributes.gid;
  if (chowns && fchown(fd, attributes.uid, attributes.gid) != 0) return KernelError("fchown(2)", path);
  if ((chowns || (now.st_mode & 07777) != attributes.mode) && fchmod(fd, attributes.mode) != 0) {
    return KernelError("fchmod(2)", path);
  }
  CLOISTER_TRY(SetXattrs(fd, false, attributes, path));
  struct timespec times[2];
  Times(attributes, times);
  if (futimens(fd, times) != 0) return KernelError("futimens(3)", path);
  return Done{};
}

Status AttributeWriter::ToNode(int path_fd, const Attributes& attributes, const Birth& birth, bool is_link,
                               std::string_view path) {
  char name_of_fd[32];
  PathOfFd(path_fd, name_of_fd);
  if (NeedsChown(attributes, birth) && fchownat(path_fd, "", attributes.uid, attributes.gid, AT_EMPTY_PATH) != 0) {
    return KernelError("fchownat(2)", path);
  }
  // A symbolic link has no mode of its own, symlink(7).
  if (!is_link && NeedsChmod(attributes, birth) && chmod(name_of_fd, attributes.mode) != 0) {
    return KernelError("chmod(2)", path);
  }
  if (birth.may_have_acl && !is_link && removexattr(name_of_fd, kAccessAcl) != 0 && errno != ENODATA &&
      errno != EOPNOTSUPP) {
    return KernelError("removexattr(2)", path);
  }
  CLOISTER_TRY(SetXattrs(path_fd, true, attributes, path));
  struct timespec times[2];
  Times(attributes, times);
  if (utimensat(path_fd, "", times, AT_EMPTY_PATH) != 0) return KernelError("utimensat(2)", path);
  return Done{};
}

}  // namespace cloister::layers
