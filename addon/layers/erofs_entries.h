// From the entries of an archive to the tree they describe.
#pragma once

#include <stdint.h>

#include <string_view>
#include <vector>

#include "../kernel/result.h"
#include "erofs_tree.h"
#include "image_output.h"
#include "tar_reader.h"

namespace cloister::layers::erofs {

class Entries {
 public:
  // `max_overhead`: bytes of the index for the holes of all sparse files together.
  Entries(Tree& tree, TarReader& reader, ImageOutput& output, uint64_t max_overhead);

  // The root, as it is when the archive does not describe it.
  Status Begin();
  Status Add(const TarEntry& entry);

 private:
  // A name in a directory; no name for the root itself.
  struct Where {
    InodeId parent = kRoot;
    std::string name;
  };

  Result<Where> Resolve(const TarEntry& entry, std::string_view path, bool create);
  Result<InodeId> Subdirectory(const TarEntry& entry, InodeId parent, std::string_view name, bool create);
  Status AddWhiteout(const TarEntry& entry, const Where& where);
  Status AddLink(const TarEntry& entry, const Where& where);
  Status AddDirectory(const TarEntry& entry, const Where& where);
  Status AddOther(const TarEntry& entry, const Where& where);
  Result<Node> NodeOf(const TarEntry& entry, uint16_t type);
  Result<uint32_t> DeviceOf(const TarEntry& entry) const;
  Status SetContents(const TarEntry& entry, Node& node);

  Tree& tree_;
  TarReader& reader_;
  ImageOutput& output_;
  uint64_t overhead_left_;
};

}  // namespace cloister::layers::erofs
