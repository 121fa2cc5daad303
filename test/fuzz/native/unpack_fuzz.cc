// Any archive is unpacked or refused, nothing beside its directory changes, and what is left of it can be removed.
// The input: how to unpack, and the archive. Everything happens on a file system that goes away with this process.
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "../../../addon/layers/remove_tree.h"
#include "../../../addon/layers/unpacker.h"
#include "require.h"
#include "sign_headers.h"

namespace {

using cloister::UniqueFd;
using cloister::fuzz::Require;
using cloister::layers::MemorySource;
using cloister::layers::Unpacker;
using cloister::layers::UnpackOptions;
using cloister::layers::Whiteouts;

constexpr const char* kPlace = "/mnt";
constexpr const char* kCanaries[] = {"/mnt", "/mnt/outside", "/mnt/outside/secret", "/mnt/outside/link"};
struct timespec changed_before[4];

// The time of any change of an inode, which nobody can set back.
struct timespec ChangeOf(const char* path) {
  struct stat info;
  Require(lstat(path, &info) == 0, path);
  return info.st_ctim;
}

bool Same(const struct timespec& a, const struct timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  Require(unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "needs root");
  Require(mount("cloister-fuzz", kPlace, "tmpfs", MS_NODEV, "size=64m,mode=755") == 0, "tmpfs");
  Require(mkdir("/mnt/outside", 0755) == 0 && symlink("secret", "/mnt/outside/link") == 0, "outside");
  const UniqueFd secret(open("/mnt/outside/secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  Require(secret.valid(), "secret");
  Require(mkdir("/mnt/layers", 0755) == 0, "layers");
  for (size_t i = 0; i < std::size(kCanaries); i++) changed_before[i] = ChangeOf(kCanaries[i]);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string archive = cloister::fuzz::SignHeaders(data + 1, size - 1);
  Require(mkdir("/mnt/layers/layer", 0755) == 0, "layer");
  const UniqueFd parent(open("/mnt/layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd layer(open("/mnt/layers/layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  UnpackOptions options;
  options.whiteouts = (data[0] & 1) != 0 ? Whiteouts::kApply : Whiteouts::kOverlay;
  options.max_bytes = 1 << 20;
  options.max_entries = 300;
  // A second layer on top of the first one has something to replace.
  for (int round = 0; round < ((data[0] & 1) != 0 ? 2 : 1); round++) {
    MemorySource source(archive.data(), archive.size());
    Unpacker unpacker(source, options);
    auto unpacked = unpacker.Run(layer.get());
    if (!unpacked.ok())
      Require(unpacked.error().code != 0 && unpacked.error().call[0] != 0, "an error without a cause");
  }
  const cloister::Status removed = cloister::layers::RemoveTree(parent.get(), "layer");
  if (!removed.ok()) Require(false, removed.error().subject);
  for (size_t i = 0; i < std::size(kCanaries); i++) {
    Require(Same(ChangeOf(kCanaries[i]), changed_before[i]), kCanaries[i]);
  }
  return 0;
}
