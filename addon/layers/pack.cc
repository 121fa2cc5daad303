#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "../kernel/syscalls.h"
#include "../kernel/unique_fd.h"
#include "entry_path.h"
#include "file_extents.h"
#include "file_xattrs.h"
#include "tar_writer.h"
#include "tree_walk.h"

namespace cloister::layers {
namespace {

// OCI image specification, layer.md, "Whiteouts".
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr const char* kOpaqueName = ".wh..wh..opq";
constexpr size_t kStep = size_t{128} * 1024;

bool IsWhiteoutDevice(const struct stat& about) { return S_ISCHR(about.st_mode) && about.st_rdev == makedev(0, 0); }

TarMember::Kind KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return TarMember::Kind::kDirectory;
    case S_IFLNK:
      return TarMember::Kind::kSymlink;
    case S_IFCHR:
      return TarMember::Kind::kCharDevice;
    case S_IFBLK:
      return TarMember::Kind::kBlockDevice;
    case S_IFIFO:
      return TarMember::Kind::kFifo;
    default:
      return TarMember::Kind::kFile;
  }
}

Error About(const char* call, int code, const std::string& path, const char* why) {
  const std::string subject = Printable(path, 90) + ": " + why;
  return {call, code, subject.c_str()};
}

Error Refused(const char* call, const std::string& path) { return LastError(call, Printable(path, 150).c_str()); }

std::string Sibling(const WalkEntry& entry, const std::string& name) {
  return entry.path.substr(0, entry.path.size() - entry.name.size()) + name;
}

bool IsBelow(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path[directory.size()] == '/' && path.starts_with(directory);
}

class Packer final : public TreeVisitor {
 public:
  Packer(int output, const PackOptions& options)
      : options_(options),
        overlay_prefix_(options.user_attributes ? "user.overlay." : "trusted.overlay."),
        output_(output),
        tar_(output_),
        buffer_(new char[kStep]) {}

  Result<Next> Visit(const WalkEntry& entry) override;

  Result<Packed> Finish() {
    CLOISTER_TRY(tar_.Finish());
    packed_.bytes = output_.bytes();
    if (!changed_.empty()) return About("read(2)", ESTALE, changed_, "it changed while it was packed");
    return Result<Packed>(Packed(packed_));
  }

 private:
  bool is_upper() const { return options_.kind == PackOptions::Kind::kUpper; }
  std::string OverlayName(const char* name) const { return overlay_prefix_ + name; }

  Status CheckName(const WalkEntry& entry) const;
  Status CheckWhole(const WalkEntry& entry, const Xattrs& xattrs) const;
  bool IsWhiteout(const WalkEntry& entry, const Xattrs& xattrs) const;
  bool IsAsBefore(const WalkEntry& entry) const;
  Result<Next> Postpone(const WalkEntry& entry, Xattrs&& xattrs, bool is_opaque);
  Status WritePostponed(const WalkEntry& below);
  Status WriteMark(const WalkEntry& entry, const std::string& path);
  Status WriteEntry(const WalkEntry& entry, Xattrs&& xattrs);
  Result<TarMember> MemberOf(const WalkEntry& entry, Xattrs&& xattrs) const;
  Status WriteFile(const WalkEntry& entry, TarMember& member);
  Status WriteData(int fd, uint64_t offset, uint64_t length, bool& is_short);

  // A directory that is only written when something in it is.
  struct Postponed {
    WalkEntry entry;  // its descriptor is closed by then
    TarMember member;
    bool is_opaque = false;
  };

  const PackOptions& options_;
  const std::string overlay_prefix_;
  StreamOutput output_;
  TarWriter tar_;
  std::unique_ptr<char[]> buffer_;
  Packed packed_;
  std::vector<Postponed> postponed_;                        // each in the one before
  std::string changed_;                                     // the first file that did
  std::map<std::pair<dev_t, ino_t>, std::string> written_;  // files with several names, by their first one
};

Result<Next> Packer::Visit(const WalkEntry& entry) {
  const mode_t mode = entry.about.st_mode;
  if (S_ISSOCK(mode) || (entry.is_mount && !S_ISDIR(mode))) {
    packed_.skipped++;
    return Result<Next>(Next::kSkip);
  }
  CLOISTER_TRY(CheckName(entry));
  CLOISTER_ASSIGN(xattrs, ReadXattrs(entry.fd, entry.path));
  if (IsWhiteout(entry, xattrs)) {
    if (!is_upper()) return About("mknod(2)", EINVAL, entry.path, "a device 0:0 is a whiteout in a layer");
    CLOISTER_TRY(WritePostponed(entry));
    CLOISTER_TRY(WriteMark(entry, Sibling(entry, std::string(kWhiteoutPrefix) + entry.name)));
    return Result<Next>(Next::kSkip);
  }
  const std::string* const opaque = is_upper() ? FindXattr(xattrs, OverlayName("opaque")) : nullptr;
  // "x" marks a directory that has whiteouts in the form of attributes, Documentation/filesystems/overlayfs.rst.
  const bool is_opaque = opaque != nullptr && *opaque == "y";
  if (is_upper()) CLOISTER_TRY(CheckWhole(entry, xattrs));
  if (IsAsBefore(entry)) return Postpone(entry, std::move(xattrs), is_opaque);
  CLOISTER_TRY(WritePostponed(entry));
  const bool is_root = entry.path.empty();
  if (!is_root || !is_upper()) CLOISTER_TRY(WriteEntry(entry, std::move(xattrs)));
  if (is_opaque) CLOISTER_TRY(WriteMark(entry, is_root ? kOpaqueName : entry.path + '/' + kOpaqueName));
  return Result<Next>(Next::kEnter);
}

bool Packer::IsAsBefore(const WalkEntry& entry) const {
  const auto found = options_.baseline.find(entry.path);
  if (found == options_.baseline.end()) return false;
  const FileState& before = found->second;
  const struct stat& now = entry.about;
  const int64_t changed_ns = int64_t{now.st_ctim.tv_sec} * 1'000'000'000 + now.st_ctim.tv_nsec;
  return before.inode == now.st_ino && before.changed_ns == changed_ns && before.mode == now.st_mode &&
         before.uid == now.st_uid && before.gid == now.st_gid;
}

Result<Next> Packer::Postpone(const WalkEntry& entry, Xattrs&& xattrs, bool is_opaque) {
  if (!S_ISDIR(entry.about.st_mode)) return Result<Next>(Next::kSkip);
  CLOISTER_ASSIGN(member, MemberOf(entry, std::move(xattrs)));
  while (!postponed_.empty() && !IsBelow(entry.path, postponed_.back().entry.path)) postponed_.pop_back();
  postponed_.push_back({entry, std::move(member), is_opaque});
  return Result<Next>(Next::kEnter);
}

Status Packer::WritePostponed(const WalkEntry& below) {
  for (const Postponed& each : postponed_) {
    if (!IsBelow(below.path, each.entry.path)) break;
    packed_.entries++;
    CLOISTER_TRY(tar_.Begin(each.member));
    if (each.is_opaque) CLOISTER_TRY(WriteMark(each.entry, each.entry.path + '/' + kOpaqueName));
  }
  postponed_.clear();
  return Done{};
}

Status Packer::CheckName(const WalkEntry& entry) const {
  if (entry.name.starts_with(kWhiteoutPrefix)) {
    return About("openat2(2)", EINVAL, entry.path, "its name would be a whiteout in a layer");
  }
  if (entry.path.size() >= PATH_MAX - 2) return About("openat2(2)", ENAMETOOLONG, entry.path, "its path");
  return Done{};
}

bool Packer::IsWhiteout(const WalkEntry& entry, const Xattrs& xattrs) const {
  if (IsWhiteoutDevice(entry.about)) return true;
  const bool may_be_marked = is_upper() && S_ISREG(entry.about.st_mode) && entry.about.st_size == 0;
  return may_be_marked && FindXattr(xattrs, OverlayName("whiteout")) != nullptr;
}

Status Packer::CheckWhole(const WalkEntry& entry, const Xattrs& xattrs) const {
  for (const char* name : {"metacopy", "redirect"}) {
    if (FindXattr(xattrs, OverlayName(name)) == nullptr) continue;
    const std::string why = "it is not whole without the layers below: overlay " + std::string(name);
    return About("getxattr(2)", EOPNOTSUPP, entry.path, why.c_str());
  }
  return Done{};
}

// A whiteout has no attributes of its own, and no time either: the kernel shares one inode among many of them.
Status Packer::WriteMark(const WalkEntry& entry, const std::string& path) {
  if (path.size() - (path.rfind('/') + 1) > kMaxNameBytes) {
    return About("openat2(2)", ENAMETOOLONG, entry.path, "no whiteout can name it");
  }
  TarMember member;
  member.path = path;
  member.mode = 0600;
  packed_.entries++;
  return tar_.Begin(member);
}

Result<TarMember> Packer::MemberOf(const WalkEntry& entry, Xattrs&& xattrs) const {
  const struct stat& about = entry.about;
  const auto uid = InsideId(options_.uids, about.st_uid);
  const auto gid = InsideId(options_.gids, about.st_gid);
  if (!uid.has_value() || !gid.has_value()) {
    return About("user_namespaces(7)", EOVERFLOW, entry.path, "its owner is none inside");
  }
  CLOISTER_TRY(ToInside(options_.uids, options_.gids, entry.path, xattrs));
  TarMember member;
  member.kind = KindOf(about.st_mode);
  member.path = entry.path.empty() ? "./" : entry.path;
  member.mode = S_ISLNK(about.st_mode) ? 0777 : about.st_mode & 07777;
  member.uid = *uid;
  member.gid = *gid;
  member.mtime_s = about.st_mtim.tv_sec;
  member.mtime_ns = static_cast<uint32_t>(about.st_mtim.tv_nsec);
  member.xattrs = std::move(xattrs);
  if (S_ISCHR(about.st_mode) || S_ISBLK(about.st_mode)) {
    member.dev_major = major(about.st_rdev);
    member.dev_minor = minor(about.st_rdev);
  }
  if (S_ISLNK(about.st_mode)) {
    member.link.resize(PATH_MAX);
    const ssize_t size = readlinkat(entry.fd, "", member.link.data(), member.link.size());
    if (size < 0) return Refused("readlinkat(2)", entry.path);
    member.link.resize(static_cast<size_t>(size));
  }
  return Result<TarMember>(std::move(member));
}

Status Packer::WriteEntry(const WalkEntry& entry, Xattrs&& xattrs) {
  CLOISTER_ASSIGN(member, MemberOf(entry, std::move(xattrs)));
  packed_.entries++;
  if (!S_ISDIR(entry.about.st_mode) && entry.about.st_nlink > 1) {
    const auto [first, is_new] = written_.try_emplace({entry.about.st_dev, entry.about.st_ino}, entry.path);
    if (!is_new) {
      member.kind = TarMember::Kind::kHardLink;
      member.link = first->second;
      member.xattrs.clear();
      return tar_.Begin(member);
    }
  }
  return S_ISREG(entry.about.st_mode) ? WriteFile(entry, member) : tar_.Begin(member);
}

Status Packer::WriteFile(const WalkEntry& entry, TarMember& member) {
  // The file that was looked at, not whatever has its name now.
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", entry.fd);
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file.valid()) return Refused("open(2)", entry.path);
  const struct stat& before = entry.about;
  member.size = static_cast<uint64_t>(before.st_size);
  if (before.st_blocks * 512 < before.st_size) {
    CLOISTER_ASSIGN(extents, FindExtents(file.get(), member.size));
    member.is_sparse = !extents.empty();
    member.extents = std::move(extents);
  }
  CLOISTER_TRY(tar_.Begin(member));
  const std::vector<Extent> whole = {{0, member.size}};
  bool is_short = false;
  for (const Extent& extent : member.is_sparse ? member.extents : whole) {
    CLOISTER_TRY(WriteData(file.get(), extent.offset, extent.length, is_short));
  }
  struct stat after;
  if (fstat(file.get(), &after) != 0) return Refused("fstat(2)", entry.path);
  const auto same = [](const struct timespec& a, const struct timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  const bool is_same =
      after.st_size == before.st_size && same(after.st_mtim, before.st_mtim) && same(after.st_ctim, before.st_ctim);
  if ((is_short || !is_same) && changed_.empty()) changed_ = entry.path;
  return tar_.End();
}

Status Packer::WriteData(int fd, uint64_t offset, uint64_t length, bool& is_short) {
  while (length > 0) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(length, kStep));
    const ssize_t n = pread(fd, buffer_.get(), wanted, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return LastError("pread(2)", "a file of the tree");
    if (n == 0) {
      is_short = true;
      return output_.WriteZeroes(length);
    }
    CLOISTER_TRY(output_.Write(buffer_.get(), static_cast<size_t>(n)));
    offset += static_cast<uint64_t>(n);
    length -= static_cast<uint64_t>(n);
  }
  return Done{};
}

}  // namespace

Result<Packed> PackTree(int directory, int output, const PackOptions& options) {
  // A copy of the mount without what is mounted on it, where we may make one: then there is nothing to pass over.
  const UniqueFd bare(sys::OpenTree(directory, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | sys::kAtEmptyPath));
  Packer packer(output, options);
  CLOISTER_TRY(WalkTree(bare.valid() ? bare.get() : directory, packer));
  return packer.Finish();
}

}  // namespace cloister::layers
