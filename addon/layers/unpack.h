// Unpacks a layer's archive into a directory, and never outside of it.
//
// One thread reads the archive and does, in its order, all that gives or takes names: directories, links, devices, whiteouts.
// Files are created by further threads (file_writer.h), as soon as it is known that nothing has their name.
//
// What an archive means
// - Paths: a leading "/", "." and ".." are taken away as text; a relative path that climbs out is refused. Symbolic links in
//   the middle of a path are followed as if the layer were the root of the file system, as umoci, containerd and
//   containers/storage do; the last name is never followed.
//   We walk such paths name by name from directories that we hold open (directory_tree.h), and do not leave it to
//   RESOLVE_IN_ROOT alone: nothing is looked up twice, and a link that somebody else puts in a directory's place ends the
//   unpacking instead of leading somewhere.
// - Directories that no entry describes are made 0755, ours, and of time 0: the same layer makes the same tree.
// - Later entries win. A directory entry over a directory replaces its attributes and keeps what is in it; anything else is
//   removed first, directories with all that is in them. A path that leads through something else than a directory replaces
//   it with one.
// - Hard links: the target is looked up like a path; one that is not there yet may still come.
// - Times of directories are set when all is in them.
// - Extended attributes: all but those that a table refuses (attributes.cc): overlayfs's own and labels of other hosts.
//   What the file system cannot store is counted.
// - Whiteouts concern lower layers only, and never what their own layer holds, before them or after them:
//   `kOverlay` writes them down for overlayfs: a character device 0:0 for a name, trusted.overlay.opaque for a directory.
//   Where a directory takes the place of something else, it is opaque, too: what lower layers have there was replaced.
//   `kApply` removes what they name from a tree that holds the lower layers.
// - Attributes of directories and hard links whose target may still come are kept until the end: not more of them than
//   held_bytes.h says.
// - AUFS's own files (".wh..wh.plnk" and so on) are passed over.
#pragma once

#include <stdint.h>

#include "../kernel/result.h"

namespace cloister::layers {

enum class Whiteouts { kOverlay, kApply };

struct UnpackOptions {
  Whiteouts whiteouts = Whiteouts::kOverlay;
  uint64_t max_bytes = UINT64_MAX;    // of all files together, holes included
  uint64_t max_entries = UINT64_MAX;  // and directories that have to be made for them
  uint32_t max_path_bytes = 4096;
  uint32_t threads = 1;  // that create files, besides the one that reads
  bool sync = false;     // syncfs(2) at the end
};

struct Unpacked {
  uint64_t entries = 0;
  uint64_t bytes = 0;               // of all files together, holes included
  uint64_t whiteouts = 0;           // and opaque marks
  uint64_t dropped_attributes = 0;  // extended ones that were refused or that the file system cannot store
  uint64_t implied_directories = 0;
  bool has_root = false;   // an entry describes the layer's own directory
  bool is_opaque = false;  // with `kOverlay`: its root, where overlayfs does not look for a mark
};

// Both descriptors stay the caller's; the input is read up to its end. With `kOverlay` the directory has to be empty.
// A failure leaves the directory as far as it came: the caller removes it, RemoveTree.
// An error is either a fault of the archive, IsFault (fault.h), or a refused kernel call.
Result<Unpacked> Unpack(int input_fd, int directory_fd, const UnpackOptions& options);

}  // namespace cloister::layers
