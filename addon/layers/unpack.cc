#include "unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "unpacker.h"

namespace cloister::layers {
namespace {

// Every directory of a batch is a descriptor that stays open until the batch was written.
constexpr size_t kBatchDirectories = 16;
constexpr uint32_t kMaxThreads = 16;
// After an archive's end: tar programs fill their last record, which is 10 KiB and may be set up to 1 MiB and more.
constexpr uint64_t kMaxTrailingBytes = uint64_t{64} * 1024 * 1024;

Status CheckEmpty(int directory_fd) {
  const int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd < 0 ? nullptr : fdopendir(fd);
  if (stream == nullptr) {
    const Error error = LastError("openat(2)", "the layer's directory");
    if (fd >= 0) close(fd);
    return error;
  }
  size_t names = 0;
  while (names <= 2 && readdir(stream) != nullptr) names++;
  closedir(stream);
  return names <= 2 ? Status() : Error("readdir(3)", ENOTEMPTY, "the layer's directory");
}

}  // namespace

Result<Unpacked> Unpack(int input_fd, int directory_fd, const UnpackOptions& options) {
  FdSource source(input_fd);
  Unpacker unpacker(source, options);
  return unpacker.Run(directory_fd);
}

Status Unpacker::Start(int directory_fd) {
  if (options_.whiteouts == Whiteouts::kOverlay) CLOISTER_TRY(CheckEmpty(directory_fd));
  mode_is_exact_ = DropUmask();
  CLOISTER_TRY(tree_.SetRoot(directory_fd, mode_is_exact_));
  const uint32_t threads = std::clamp(options_.threads, uint32_t{1}, kMaxThreads);
  for (uint32_t i = 0; i < threads; i++) {
    auto writer = std::make_unique<FileWriter>(attributes_);
    const Status started = writer->Start();
    // One is enough.
    if (!started.ok() && writers_.empty()) return started.error();
    if (!started.ok()) break;
    writers_.push_back(std::move(writer));
  }
  submitted_.resize(writers_.size());
  return Done{};
}

Result<Unpacked> Unpacker::Run(int directory_fd) {
  CLOISTER_TRY(Start(directory_fd));
  CLOISTER_TRY(Entries());
  CLOISTER_TRY(reader_.Drain(kMaxTrailingBytes));
  CLOISTER_TRY(WaitForAll());
  CLOISTER_TRY(LinkLate());
  CLOISTER_TRY(FinishDirectories());
  if (options_.sync && syncfs(tree_.root().open->fd.get()) != 0) return LastError("syncfs(2)", "the layer's directory");
  result_.dropped_attributes = attributes_.dropped();
  result_.is_opaque = tree_.root().opaque;
  return Result<Unpacked>(static_cast<Unpacked&&>(result_));
}

Status Unpacker::Entries() {
  TarEntry entry;
  for (;;) {
    CLOISTER_ASSIGN(found, reader_.Next(entry));
    if (!found) return Done{};
    offset_ = entry.header_offset;
    path_ = entry.path;
    CLOISTER_TRY(Count(entry));
    CLOISTER_TRY(Apply(entry));
  }
}

Status Unpacker::Count(const TarEntry& entry) {
  if (result_.entries >= options_.max_entries) {
    const std::string reason = "more than " + std::to_string(options_.max_entries) + " entries, the limit";
    return FaultHere(FaultKind::kLimit, reason.c_str());
  }
  result_.entries++;
  if (entry.real_size > options_.max_bytes - result_.bytes) {
    const std::string reason = "more than " + std::to_string(options_.max_bytes) + " bytes, the limit";
    return FaultHere(FaultKind::kLimit, reason.c_str());
  }
  result_.bytes += entry.real_size;
  if (entry.path.size() > options_.max_path_bytes) {
    const std::string reason = "a path of more than " + std::to_string(options_.max_path_bytes) + " bytes, the limit";
    return FaultHere(FaultKind::kLimit, reason.c_str());
  }
  return Done{};
}

Status Unpacker::Apply(TarEntry& entry) {
  EntryPath path;
  bool escapes;
  if (const char* fault = ParseEntryPath(entry.path, path, escapes)) {
    return FaultHere(escapes ? FaultKind::kEscape : FaultKind::kCorrupt, fault);
  }
  if (path.kind == EntryPath::Kind::kIgnored) return Done{};
  if (path.kind == EntryPath::Kind::kRoot) return RootEntry(entry);

  if (path.kind == EntryPath::Kind::kPlain) {
    CLOISTER_ASSIGN(parent, Resolve(path, Missing::kMake));
    Touch(*parent);
    return PlainEntry(entry, *parent, path.name);
  }
  result_.whiteouts++;
  // Nothing is in what is not there, or was removed or replaced by this very layer: some tools write a whiteout for a directory
  // and more for all that was in it. A whiteout for overlayfs has to stand in a directory, though.
  const bool applies = options_.whiteouts == Whiteouts::kApply;
  CLOISTER_ASSIGN(parent, Resolve(path, applies ? Missing::kReport : Missing::kMakeOnFree));
  if (parent == nullptr) return Done{};
  return path.kind == EntryPath::Kind::kOpaque ? Opaque(*parent) : Whiteout(*parent, path.name);
}

Status Unpacker::PlainEntry(TarEntry& entry, Directory& parent, std::string_view name) {
  switch (entry.kind) {
    case TarEntry::Kind::kFile:
      return File(entry, parent, name);
    case TarEntry::Kind::kDirectory:
      return DirectoryEntry(entry, parent, name);
    case TarEntry::Kind::kHardLink:
      return HardLink(entry, parent, name);
    case TarEntry::Kind::kSymlink:
    case TarEntry::Kind::kCharDevice:
    case TarEntry::Kind::kBlockDevice:
    case TarEntry::Kind::kFifo:
      return Node(entry, parent, name);
  }
  return Done{};
}

Status Unpacker::File(TarEntry& entry, Directory& parent, std::string_view name) {
  auto job = std::make_unique<FileJob>();
  if (const char* fault = TakeAttributes(entry, job->attributes)) return FaultHere(FaultKind::kCorrupt, fault);
  const auto [seen, is_new] = seen_.try_emplace(KeyOf(parent, name));
  Place& place = seen->second;
  const bool may_exist =
      options_.whiteouts == Whiteouts::kApply || !is_new || DirectoryTree::Child(parent, name) != nullptr;
  if (may_exist) CLOISTER_TRY(Clear(parent, name));
  CLOISTER_ASSIGN(open, tree_.Open(parent));
  job->directory = std::move(open);
  job->name = name;
  job->path = entry.path;
  job->size = entry.real_size;
  job->is_sparse = entry.is_sparse;
  job->extents = std::move(entry.extents);
  CLOISTER_TRY(SendFile(entry, std::move(job)));
  place = {batch_writer_, submitted_[batch_writer_] + 1};
  if (batch_->full() || batch_directories_ >= kBatchDirectories) SubmitBatch();
  return Done{};
}

Status Unpacker::SendFile(TarEntry& entry, std::unique_ptr<FileJob> job) {
  CLOISTER_TRY(TakeBatch(false));
  if (job->directory.get() != batch_directory_) {
    batch_directory_ = job->directory.get();
    batch_directories_++;
  }
  Batch::Step* step = &batch_->Add();
  step->file = std::move(job);
  for (uint64_t left = entry.size; left > 0;) {
    if (batch_->room() == 0) {
      SubmitBatch();
      CLOISTER_TRY(TakeBatch(true));
      step = &batch_->Add();
    }
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(left, batch_->room()));
    CLOISTER_ASSIGN(got, reader_.Read(batch_->free(), wanted));
    batch_->Grow(*step, got);
    left -= got;
  }
  step->last = true;
  return Done{};
}

Status Unpacker::TakeBatch(bool same_writer) {
  if (batch_ != nullptr) return Done{};
  if (!same_writer) {
    size_t least = SIZE_MAX;
    for (uint32_t i = 0; i < writers_.size(); i++) {
      const size_t waiting = writers_[i]->waiting();
      if (waiting >= least) continue;
      least = waiting;
      batch_writer_ = i;
    }
  }
  CLOISTER_ASSIGN(batch, writers_[batch_writer_]->Take());
  batch_ = std::move(batch);
  batch_directory_ = nullptr;
  batch_directories_ = 0;
  return Done{};
}

void Unpacker::SubmitBatch() {
  if (batch_ == nullptr) return;
  submitted_[batch_writer_] = writers_[batch_writer_]->Submit(std::exchange(batch_, nullptr));
}

Status Unpacker::WaitForAll() {
  SubmitBatch();
  for (size_t i = 0; i < writers_.size(); i++) CLOISTER_TRY(writers_[i]->Wait(submitted_[i]));
  return Done{};
}

}  // namespace cloister::layers
