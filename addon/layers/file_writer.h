// Threads that create files. What creates names in an order that matters (directories, links) stays with the thread that reads
// the archive; files whose name is known to be free are handed over here in batches, with their data.
#pragma once

#include <pthread.h>
#include <stdint.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "attributes.h"
#include "directory_tree.h"

namespace cloister::layers {

struct FileJob {
  std::shared_ptr<OpenDirectory> directory;
  std::string name;
  std::string path;  // for messages
  Attributes attributes;
  uint64_t size = 0;            // of the file
  std::vector<Extent> extents;  // of a sparse one
  bool is_sparse = false;
};

// Files of one handing-over, and the memory that holds their data.
class Batch {
 public:
  static constexpr size_t kBytes = size_t{1024} * 1024;
  static constexpr size_t kFiles = 64;

  Batch();

  struct Step {
    std::unique_ptr<FileJob> file;  // begins this file; null goes on with the one of the step before
    size_t offset = 0;              // of its data in the batch
    size_t length = 0;
    bool last = false;  // the file is complete
  };

  char* free() { return memory_.get() + used_; }
  size_t room() const { return kBytes - used_; }
  bool full() const { return room() == 0 || steps_.size() >= kFiles; }
  bool empty() const { return steps_.empty(); }
  Step& Add() { return steps_.emplace_back(Step{nullptr, used_, 0, false}); }
  void Grow(Step& step, size_t length) {
    step.length += length;
    used_ += length;
  }
  std::vector<Step>& steps() { return steps_; }
  const char* data(const Step& step) const { return memory_.get() + step.offset; }
  void Clear();

 private:
  std::unique_ptr<char[]> memory_;
  size_t used_ = 0;
  std::vector<Step> steps_;
};

// One thread and the batches on their way to it.
class FileWriter {
 public:
  explicit FileWriter(AttributeWriter& attributes) : attributes_(attributes) {}
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter() { Stop(); }

  Status Start();
  // Ends the thread after what it works at; batches that wait are dropped.
  void Stop();

  // A batch to fill; waits while all of this writer's are on their way.
  Result<std::unique_ptr<Batch>> Take();
  // Returns the ticket of the batch.
  uint64_t Submit(std::unique_ptr<Batch> batch);
  // Waits until the batch of that ticket, and all before it, were written.
  Status Wait(uint64_t ticket);
  size_t waiting();

 private:
  static void* Main(void* self);
  void Run();
  Status Write(Batch& batch);
  Status Begin(std::unique_ptr<FileJob> job);
  Status WriteData(const char* data, size_t size);
  Status WriteAt(const char* data, size_t size, uint64_t offset);
  Status End();

  static constexpr size_t kBatches = 4;

  AttributeWriter& attributes_;
  bool running_ = false;
  pthread_t thread_ = {};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Batch>> queue_;
  std::vector<std::unique_ptr<Batch>> idle_;
  size_t made_ = 0;
  uint64_t submitted_ = 0;
  uint64_t written_ = 0;
  bool stop_ = false;
  Status status_;  // the first failure; nothing is written after it

  // Of the thread alone: the file at hand.
  std::unique_ptr<FileJob> job_;
  UniqueFd fd_;
  uint64_t position_ = 0;
  size_t extent_ = 0;
};

// Gives the calling thread file creation modes without a umask, which otherwise belongs to all threads of a process. False when
// the kernel refuses; modes have to be set by hand then.
bool DropUmask();

}  // namespace cloister::layers
