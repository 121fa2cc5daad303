// The thread that reads the archive; unpack.h says what it does.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "attributes.h"
#include "directory_tree.h"
#include "entry_path.h"
#include "file_writer.h"
#include "held_bytes.h"
#include "tar_reader.h"
#include "unpack.h"

namespace cloister::layers {

class Unpacker {
 public:
  Unpacker(ByteSource& source, const UnpackOptions& options) : options_(options), reader_(source) {}

  Result<Unpacked> Run(int directory_fd);

 private:
  enum class Found { kNothing, kDirectory, kLink, kOther };
  // What to do about a directory that is not there. `kMakeOnFree`: only where nothing else has its name.
  enum class Missing { kMake, kMakeOnFree, kReport };
  // Where the file of a name is on its way; no ticket when it has arrived.
  struct Place {
    uint32_t writer = 0;
    uint64_t ticket = 0;
  };
  // A hard link to what may still come.
  struct LateLink {
    std::string path;
    std::string target;
    uint64_t offset;
  };

  // unpack.cc: the archive, and files.
  Status Start(int directory_fd);
  Status Entries();
  Status Apply(TarEntry& entry);
  Status Count(const TarEntry& entry);
  Status PlainEntry(TarEntry& entry, Directory& parent, std::string_view name);
  Status File(TarEntry& entry, Directory& parent, std::string_view name);
  Status SendFile(TarEntry& entry, std::unique_ptr<FileJob> job);
  Status TakeBatch(bool same_writer);
  void SubmitBatch();
  // Until nothing is on its way any more.
  Status WaitForAll();
  Error FaultHere(FaultKind kind, const char* reason) const { return Fault(kind, offset_, path_, reason); }
  template <class Kept>
  Status Hold(const Kept& kept) {
    return held_.Add(kept) ? Status() : FaultHere(FaultKind::kLimit, HeldBytes::kTooMany);
  }

  // paths.cc: which directory a path means.
  Result<Directory*> Resolve(const EntryPath& path, Missing missing);
  Result<Directory*> Walk(const std::vector<std::string_view>& names, Missing missing);
  Result<Directory*> Enter(Directory& directory, std::string_view name, Missing missing, bool& is_link);
  Result<std::string> ReadLink(Directory& directory, std::string_view name);
  Result<Found> Look(Directory& directory, std::string_view name, struct timespec* mtime = nullptr);
  Result<Directory*> MakeDirectory(Directory& parent, std::string_view name, mode_t mode);
  Result<Directory*> MakeImplied(Directory& parent, std::string_view name);
  Result<Directory*> AddDirectory(Directory& parent, std::string_view name, bool existed, const struct timespec& mtime);
  // Until the file of that name, if one is on its way, has arrived.
  Status Settle(const Directory& directory, std::string_view name);
  // Removes what has that name.
  Status Clear(Directory& directory, std::string_view name);
  void Touch(Directory& directory);
  static uint64_t KeyOf(const Directory& directory, std::string_view name) { return HashName(directory.id, name); }
  Error Refused(const char* call, const Directory& directory, std::string_view name) const;

  // nodes.cc: all that is no file.
  Status RootEntry(TarEntry& entry);
  Status DirectoryEntry(TarEntry& entry, Directory& parent, std::string_view name);
  Status Node(TarEntry& entry, Directory& parent, std::string_view name);
  Status NodeAttributes(TarEntry& entry, Directory& parent, std::string_view name);
  Status HardLink(TarEntry& entry, Directory& parent, std::string_view name);
  enum class Linked { kDone, kNoTarget };
  Result<Linked> Link(std::string_view target, Directory& parent, std::string_view name);
  Result<Linked> LinkTo(Directory& target_directory, const std::string& target, Directory& parent,
                        const std::string& name);
  Status LinkLate();
  Result<bool> TryLate(const LateLink& late);

  // whiteouts.cc
  Status Whiteout(Directory& parent, std::string_view name);
  Status MarkWhiteout(Directory& parent, std::string_view name);
  Status ApplyWhiteout(Directory& parent, std::string_view name);
  Status Opaque(Directory& directory);
  Status RemoveUntouched(Directory& directory);
  Status RemoveUntouchedIn(Directory& directory, std::vector<Directory*>& more);
  Status DropWhiteouts(Directory& directory);
  Status FinishDirectories();
  Status FinishDirectory(Directory& directory);

  const UnpackOptions options_;
  TarReader reader_;
  DirectoryTree tree_;
  AttributeWriter attributes_;
  Unpacked result_;
  HeldBytes held_;
  bool mode_is_exact_ = false;

  // The entry at hand, for messages.
  uint64_t offset_ = 0;
  std::string path_;

  // Of the last path, for the next one.
  std::string last_prefix_;
  Directory* last_directory_ = nullptr;

  // Names that this layer gave to what is no directory.
  std::unordered_map<uint64_t, Place, NoHash> seen_;
  std::vector<LateLink> late_links_;
  bool is_late_ = false;  // all entries were read

  std::vector<std::unique_ptr<FileWriter>> writers_;
  std::vector<uint64_t> submitted_;  // tickets of each writer
  std::unique_ptr<Batch> batch_;     // being filled
  uint32_t batch_writer_ = 0;
  const OpenDirectory* batch_directory_ = nullptr;
  size_t batch_directories_ = 0;
};

}  // namespace cloister::layers
