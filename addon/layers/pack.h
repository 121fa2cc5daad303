// Writes a directory tree as a tar archive, which is how trees become layers: of a directory, of a sandbox's whole file system,
// or of what a sandbox changed.
//
// The tree is hostile: it was written from inside of a sandbox, and may still be written to. It is walked by descriptors only
// (tree_walk.h); what an entry says is what was read from the opened file.
//
// What an archive holds
// - Entries sorted by bytes, a directory before what is in it; no user names: the same tree makes the same bytes.
// - Hard links as such, by device and inode number. Sockets and files that are mounted over another one are left out;
//   of a directory that something is mounted on, its entry is kept.
// - Owners as they are inside: an id that the maps do not have is an error, as are ids of access lists, acl(5).
// - File capabilities that count for the root user of the maps, as ones that count for the root user, capabilities(7).
// - All extended attributes that an unpacker takes, IsXattrAllowed; times in nanoseconds.
// - Files with a mebibyte of holes or more in GNU's sparse format 1.0, other ones as if they had none, as usual in layers.
// - `kUpper` is the upper directory of an overlay, and the archive has what differs from the lower ones: the whiteouts and
//   opaque directories of overlayfs become those of layers, .wh.NAME and .wh..wh..opq; overlayfs's own attributes do not
//   appear. Files that are not whole without the lower directories, metacopy and redirect, are an error. There is no entry of
//   the root, which the upper directory got from whoever made it.
// - What was in the tree before anybody could change it, `baseline`, is left out as long as it is the same file and its inode
//   was not changed since: the mount points that a sandbox's mounts needed. Such a directory is kept where it has more in it.
// - A name that begins with ".wh." is an error: it would remove something when unpacked.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <map>
#include <string>

#include "../kernel/result.h"
#include "id_map.h"

namespace cloister::layers {

// A file as it was at some time. Nobody can set a change time, and an inode number is not used twice while its file is there.
struct FileState {
  uint64_t inode = 0;
  int64_t changed_ns = 0;  // st_ctim
  mode_t mode = 0;         // also for what changes within one tick of the kernel's clock
  uid_t uid = 0;
  gid_t gid = 0;
};

struct PackOptions {
  enum class Kind { kTree, kUpper };
  Kind kind = Kind::kTree;
  // Overlayfs's attributes are user.overlay.* instead of trusted.overlay.*, its mount option `userxattr`.
  bool user_attributes = false;
  IdMap uids;
  IdMap gids;
  std::map<std::string, FileState> baseline;  // by path, as WalkEntry has it
};

struct Packed {
  uint64_t entries = 0;
  uint64_t bytes = 0;    // of the archive
  uint64_t skipped = 0;  // sockets and mounted files
};

// Both descriptors stay the caller's. The archive is complete even when a file changed while it was read: such a file is cut or
// filled up to the size that was announced, and the error, ESTALE, comes at the end.
Result<Packed> PackTree(int directory, int output, const PackOptions& options);

}  // namespace cloister::layers
