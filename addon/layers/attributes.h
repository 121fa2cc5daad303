// Owner, mode, extended attributes and times of what was unpacked.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <atomic>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../kernel/result.h"
#include "tar_reader.h"

namespace cloister::layers {

using Xattrs = std::vector<std::pair<std::string, std::string>>;

struct Attributes {
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  int64_t mtime_s = 0;
  uint32_t mtime_ns = 0;
  Xattrs xattrs;
  uint64_t offset = 0;  // of the entry in the archive, for messages
};

// What the kernel gave a new file of its own accord, and what has to be put right.
struct Birth {
  bool mode_is_exact = true;  // created without a umask
  bool owner_is_ours = true;  // effective ids, not the group of a set-group-ID directory
  bool may_have_acl = false;  // a default access control list of the directory, acl(5)
};

// Whether an archive may set this attribute at all; the table is in the source.
bool IsXattrAllowed(std::string_view name);

// Takes the attributes out of an entry; null on success, else what is wrong with them.
const char* TakeAttributes(TarEntry& entry, Attributes& attributes);

class AttributeWriter {
 public:
  // `path` is for messages. Attributes that the file system has no place for are counted, as every engine passes over them.
  Status ToFile(int fd, const Attributes& attributes, const Birth& birth, std::string_view path);
  // `has_others`: it may have extended attributes already, and loses those that its entry does not have.
  Status ToDirectory(int fd, const Attributes& attributes, bool has_others, std::string_view path);
  // A link, device or FIFO, by a descriptor that was opened with O_PATH: nothing else opens those without touching them.
  Status ToNode(int path_fd, const Attributes& attributes, const Birth& birth, bool is_link, std::string_view path);

  uint64_t dropped() const { return dropped_; }

 private:
  Status SetXattrs(int fd, bool is_path_fd, const Attributes& attributes, std::string_view path);
  Status RemoveXattrs(int fd, const Xattrs& kept, std::string_view path);

  std::atomic<uint64_t> dropped_ = 0;
};

// What the effective ids are: a file with these needs no chown(2).
uid_t OwnUid();
gid_t OwnGid();

}  // namespace cloister::layers
