#include "file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "../kernel/thread.h"

namespace cloister::layers {
namespace {

Error Refused(const char* call, const FileJob& job) { return {call, errno, Printable(job.path, 150).c_str()}; }

}  // namespace

bool DropUmask() {
  // Takes the thread's umask (and working directory) out of what the process shares, unshare(2); needs no privilege.
  if (unshare(CLONE_FS) != 0) return false;
  umask(0);
  return true;
}

Batch::Batch() : memory_(new char[kBytes]) { steps_.reserve(kFiles); }

void Batch::Clear() {
  steps_.clear();
  used_ = 0;
}

Status FileWriter::Start() {
  CLOISTER_TRY(StartThread(thread_, Main, this));
  running_ = true;
  return Done{};
}

void FileWriter::Stop() {
  if (!running_) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  pthread_join(thread_, nullptr);
  running_ = false;
}

Result<std::unique_ptr<Batch>> FileWriter::Take() {
  using Taken = Result<std::unique_ptr<Batch>>;
  std::unique_lock<std::mutex> lock(mutex_);
  if (idle_.empty() && made_ < kBatches) {
    made_++;
    return Taken(std::make_unique<Batch>());
  }
  changed_.wait(lock, [this] { return !idle_.empty(); });
  if (!status_.ok()) return status_.error();
  std::unique_ptr<Batch> batch = std::move(idle_.back());
  idle_.pop_back();
  return Taken(std::move(batch));
}

uint64_t FileWriter::Submit(std::unique_ptr<Batch> batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back(std::move(batch));
  changed_.notify_all();
  return ++submitted_;
}

Status FileWriter::Wait(uint64_t ticket) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return written_ >= ticket; });
  return status_;
}

size_t FileWriter::waiting() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<size_t>(submitted_ - written_);
}

void* FileWriter::Main(void* self) {
  DropUmask();
  static_cast<FileWriter*>(self)->Run();
  return nullptr;
}

void FileWriter::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    std::unique_ptr<Batch> batch = std::move(queue_.front());
    queue_.pop_front();
    const bool works = status_.ok();
    lock.unlock();
    Status written = works ? Write(*batch) : Status();
    batch->Clear();
    lock.lock();
    if (!written.ok()) status_ = written;
    written_++;
    idle_.push_back(std::move(batch));
    changed_.notify_all();
  }
}

Status FileWriter::Write(Batch& batch) {
  for (Batch::Step& step : batch.steps()) {
    if (step.file != nullptr) CLOISTER_TRY(Begin(std::move(step.file)));
    CLOISTER_TRY(WriteData(batch.data(step), step.length));
    if (step.last) CLOISTER_TRY(End());
  }
  return Done{};
}

Status FileWriter::Begin(std::unique_ptr<FileJob> job) {
  job_ = std::move(job);
  position_ = 0;
  extent_ = 0;
  // O_EXCL: whatever is there is not what the reader of the archive knows of, and is not written through.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  fd_.reset(openat(job_->directory->fd.get(), job_->name.c_str(), kFlags, job_->attributes.mode));
  if (!fd_.valid()) return Refused("openat(2)", *job_);
  if (job_->is_sparse && ftruncate(fd_.get(), static_cast<off_t>(job_->size)) != 0)
    return Refused("ftruncate(2)", *job_);
  return Done{};
}

Status FileWriter::WriteAt(const char* data, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t n = pwrite(fd_.get(), data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Refused("pwrite(2)", *job_);
    data += n;
    size -= static_cast<size_t>(n);
    offset += static_cast<uint64_t>(n);
  }
  return Done{};
}

// `position_` counts in the file, or, in a sparse one, from the start of the current run.
Status FileWriter::WriteData(const char* data, size_t size) {
  if (!job_->is_sparse) {
    CLOISTER_TRY(WriteAt(data, size, position_));
    position_ += size;
    return Done{};
  }
  while (size > 0 && extent_ < job_->extents.size()) {
    const Extent& extent = job_->extents[extent_];
    const size_t part = static_cast<size_t>(std::min<uint64_t>(size, extent.length - position_));
    CLOISTER_TRY(WriteAt(data, part, extent.offset + position_));
    data += part;
    size -= part;
    position_ += part;
    if (position_ < extent.length) continue;
    extent_++;
    position_ = 0;
  }
  return Done{};
}

Status FileWriter::End() {
  CLOISTER_TRY(attributes_.ToFile(fd_.get(), job_->attributes, job_->directory->birth, job_->path));
  // Some file systems say only now that the disk is full, close(2).
  if (close(fd_.release()) != 0 && errno != EINTR) return Refused("close(2)", *job_);
  job_.reset();
  return Done{};
}

}  // namespace cloister::layers
