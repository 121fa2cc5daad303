#include "erofs_mount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../kernel/syscalls.h"

namespace cloister::layers {
namespace {

Status CheckFiles(int index, int archive, const erofs::LayerDigest& layer) {
  CLOISTER_ASSIGN(seal, erofs::CheckSeal(index));
  if (memcmp(seal.layer.text, layer.text, sizeof layer.text) != 0)
    return Error("layer index", EUCLEAN, "it is of another layer");
  struct stat about;
  if (fstat(archive, &about) != 0) return LastError("fstat(2)", "layer archive");
  if (!S_ISREG(about.st_mode) || static_cast<uint64_t>(about.st_size) != seal.archive_bytes) {
    return Error("layer archive", EUCLEAN, "its size is not what it was");
  }
  return Done{};
}

// The kernel says more than an errno, fsopen(2); the last line is the reason.
Error Refusal(int context, const char* subject) {
  const int code = errno;
  char message[sizeof(Error::subject)] = {};
  char line[sizeof message];
  for (ssize_t n; (n = read(context, line, sizeof line - 1)) > 0;) {
    line[n] = '\0';
    snprintf(message, sizeof message, "%.60s: %.*s", subject, static_cast<int>(strcspn(line, "\n")), line);
  }
  return {"fsconfig(2)", code, message[0] == '\0' ? subject : message};
}

}  // namespace

Result<UniqueFd> MountErofs(int index, int archive, const erofs::LayerDigest& layer, uint64_t attributes) {
  CLOISTER_TRY(CheckFiles(index, archive, layer));
  const UniqueFd context(sys::FsOpen("erofs"));
  if (!context.valid()) return LastError("fsopen(2)", "erofs");
  char source[32], device[32];
  snprintf(source, sizeof source, "/proc/self/fd/%d", index);
  snprintf(device, sizeof device, "/proc/self/fd/%d", archive);
  if (sys::FsConfig(context.get(), FSCONFIG_SET_STRING, "source", source, 0) != 0)
    return Refusal(context.get(), "source");
  if (sys::FsConfig(context.get(), FSCONFIG_SET_STRING, "device", device, 0) != 0)
    return Refusal(context.get(), "device");
  if (sys::FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return Refusal(context.get(), "erofs");
  const uint64_t all = attributes | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
  UniqueFd mount(sys::FsMount(context.get(), static_cast<unsigned>(all)));
  if (!mount.valid()) return LastError("fsmount(2)", "erofs");
  return Result<UniqueFd>(static_cast<UniqueFd&&>(mount));
}

}  // namespace cloister::layers
