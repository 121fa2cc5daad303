// From the entries of an archive to the tree they describe. What an archive means is the same as to the unpacker, whose rules
// unpack.h states; here they work on names in memory.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

#include "../kernel/result.h"
#include "attributes.h"
#include "entry_path.h"
#include "erofs_tree.h"
#include "held_bytes.h"
#include "image_output.h"
#include "tar_reader.h"

namespace cloister::layers::erofs {

struct EntryLimits {
  uint64_t max_entries;         // and directories that have to be made for them
  uint64_t max_bytes;           // of all files together, holes included
  uint64_t max_overhead_bytes;  // of the index for the holes of sparse files
  uint32_t max_path_bytes;
};

struct EntryCounts {
  uint64_t entries = 0;  // implied directories included
  uint64_t bytes = 0;
  uint64_t overhead_bytes = 0;
  uint64_t dropped_attributes = 0;
};

class Entries {
 public:
  Entries(Tree& tree, TarReader& reader, ImageOutput& output, const EntryLimits& limits);

  // All of the archive.
  Status Run();
  const EntryCounts& counts() const { return counts_; }

 private:
  enum class Missing { kMake, kMakeOnFree, kReport };
  // A hard link to what may still come.
  struct LateLink {
    std::string path;
    std::string target;
    uint64_t offset;
  };

  Error FaultHere(FaultKind kind, const char* reason) const { return Fault(kind, offset_, path_, reason); }
  Status Hold(uint64_t bytes) {
    return held_.Add(bytes) ? Status() : FaultHere(FaultKind::kLimit, HeldBytes::kTooMany);
  }
  Status Count(const TarEntry& entry);
  Status Apply(TarEntry& entry);

  // The directory of that path, or kNone; kMake makes what is not there, kMakeOnFree only where the layer has nothing yet.
  Result<InodeId> Walk(const std::vector<std::string_view>& names, Missing missing);
  Result<InodeId> MakeImplied(InodeId parent, std::string_view name);
  // The directories that were walked through last.
  void TouchWay();

  Result<Node> NodeOf(TarEntry& entry, uint32_t type);
  Status SetContents(const TarEntry& entry, Node& node);
  Status Directory(TarEntry& entry, InodeId existing, InodeId parent, std::string_view name);
  Status Other(TarEntry& entry, InodeId parent, std::string_view name);
  Status PlainEntry(TarEntry& entry, const EntryPath& path);
  Status Mark(const EntryPath& path);
  Status Whiteout(InodeId parent, std::string_view name);

  Status HardLink(TarEntry& entry, InodeId parent, std::string_view name);
  Result<InodeId> LinkTarget(std::string_view target);
  // False when the target is not there.
  Result<bool> Link(std::string_view target, InodeId parent, std::string_view name);
  Result<bool> TryLate(const LateLink& late);
  Status LinkLate();

  Tree& tree_;
  TarReader& reader_;
  ImageOutput& output_;
  const EntryLimits limits_;
  EntryCounts counts_;
  HeldBytes held_;
  std::vector<LateLink> late_links_;
  std::vector<InodeId> way_;  // from the root to where Walk came last

  // The entry at hand, for messages.
  uint64_t offset_ = 0;
  std::string path_;
};

}  // namespace cloister::layers::erofs
