// What the native tests share: messages as the library's TypeScript side writes them, and processes that may be ruined.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "../../addon/kernel/message.h"
#include "../../addon/kernel/result.h"

namespace cloister::test {

// As lib/native/writer.ts.
class Encoder {
 public:
  Encoder& U8(uint8_t value) { return Add(&value, sizeof value); }
  Encoder& U32(uint32_t value) { return Add(&value, sizeof value); }
  Encoder& I32(int32_t value) { return Add(&value, sizeof value); }
  Encoder& U64(uint64_t value) { return Add(&value, sizeof value); }
  Encoder& I64(int64_t value) { return Add(&value, sizeof value); }
  Encoder& Text(const std::string& text) {
    U32(static_cast<uint32_t>(text.size() + 1));
    return Add(text.c_str(), text.size() + 1);
  }
  Encoder& Blob(const std::string& bytes) {
    U32(static_cast<uint32_t>(bytes.size()));
    return Add(bytes.data(), bytes.size());
  }
  Encoder& Append(const Encoder& other) { return Add(other.data(), other.size()); }

  // A copy of exactly that size on the heap: AddressSanitizer sees the first byte that is read beyond it.
  const uint8_t* data() const { return bytes_.data(); }
  uint32_t size() const { return static_cast<uint32_t>(bytes_.size()); }
  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  Encoder& Add(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    bytes_.shrink_to_fit();
    return *this;
  }

  std::vector<uint8_t> bytes_;
};

// A directory that goes with the test.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    if (mkdtemp(path_) == nullptr) abort();
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string At(const std::string& name) const { return std::string(path_) + "/" + name; }
  const char* path() const { return path_; }

 private:
  char path_[64] = "/var/tmp/cloister-native-XXXXXX";
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Everything that comes out of a descriptor until its end.
inline std::string Drain(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  return text;
}

// Names in a directory that is given as a descriptor, sorted.
inline std::vector<std::string> ListDirectory(int fd) {
  std::vector<std::string> names;
  DIR* list = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (list == nullptr) return names;
  while (const dirent* entry = readdir(list)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(list);
  std::sort(names.begin(), names.end());
  return names;
}

inline size_t CountOpenFiles() {
  const UniqueFd list(open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return ListDirectory(list.get()).size();
}

inline std::string Describe(const Error& error) {
  return std::string(error.call) + " " + error.subject + ": " + std::to_string(error.code);
}

// In a function that returns a Status: what a test demands where doctest's own macros cannot report, in another process.
#define DEMAND(condition)                                                      \
  do {                                                                         \
    if (!(condition)) return ::cloister::Error("demanded", errno, #condition); \
  } while (0)

// Runs in a process of its own, whose mounts, limits and children are nobody else's business. "" when all went well.
inline std::string InChild(const std::function<Status()>& run) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "pipe2(2)";
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    const Status status = run();
    const std::string text = status.ok() ? "" : Describe(status.error());
    if (write(ends[1], text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  std::string text = Drain(ends[0]);
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) text += " (wait status " + std::to_string(status) + ")";
  return text;
}

// Likewise as PID 1 of a pid namespace, where even kill(-1) harms nobody.
inline std::string AsInit(const std::function<Status()>& run) {
  return InChild([&]() -> Status {
    DEMAND(unshare(CLONE_NEWPID | CLONE_NEWNS) == 0);
    const std::string text = InChild([&]() -> Status {
      DEMAND(getpid() == 1);
      return run();
    });
    return text.empty() ? Status() : Status(Error("as init", 0, text.c_str()));
  });
}

}  // namespace cloister::test
