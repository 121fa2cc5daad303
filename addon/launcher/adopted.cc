#include "adopted.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace cloister {
namespace {

constexpr int kAttempts = 50;  // processes that were just killed leave their cgroup a moment later

// Every directory below `parent`: `enter` gets it open, on the way down; `leave` its parent and name, on the way up.
template <class Enter, class Leave>
void Walk(int parent, const Enter& enter, const Leave& leave) {
  DIR* list = fdopendir(openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (list == nullptr) return;
  while (const dirent* entry = readdir(list)) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const UniqueFd child(openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (child.valid()) {
      enter(child.get());
      Walk(child.get(), enter, leave);
    }
    leave(parent, entry->d_name);
  }
  closedir(list);
}

// cgroupfs allows no files of ours in there: only directories have to go, leaves first.
bool Empty(int directory) {
  bool empty = true;
  Walk(
      directory, [](int) {},
      [&](int parent, const char* name) {
        if (unlinkat(parent, name, AT_REMOVEDIR) != 0) empty = false;
      });
  return empty;
}

// What v1's freezer holds does not die of SIGKILL before it is let go (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
void ThawOne(int directory) {
  const UniqueFd state(openat(directory, "freezer.state", O_WRONLY | O_CLOEXEC));
  if (state.valid() && write(state.get(), "THAWED", 6) != 6) return;
}

}  // namespace

void AdoptedCgroups::Add(Message& message, Arena& arena) {
  Reader in(message.body, message.size, arena);
  for (uint32_t i = 0; i < message.fd_count; i++) {
    const char* path = in.String();
    if (!in.ok()) return;
    const UniqueFd owner(openat(message.fds[i].get(), path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (owner.valid()) Move(owner.get());
    if (!Knows(message.fds[i].get(), path)) Keep(static_cast<UniqueFd&&>(message.fds[i]), path);
  }
}

bool AdoptedCgroups::Knows(int base, const char* path) const {
  struct stat asked, known;
  if (fstat(base, &asked) != 0) return false;
  for (unsigned i = 0; i < count_; i++) {
    if (strcmp(directories_[i].path, path) != 0 || fstat(directories_[i].base.get(), &known) != 0) continue;
    if (known.st_dev == asked.st_dev && known.st_ino == asked.st_ino) return true;
  }
  return false;
}

void AdoptedCgroups::Keep(UniqueFd base, const char* path) {
  if (count_ == kMax || strlen(path) >= sizeof directories_[count_].path) return;
  Directory& directory = directories_[count_++];
  strcpy(directory.path, path);
  directory.base = static_cast<UniqueFd&&>(base);
}

void AdoptedCgroups::ThawAll() {
  for (unsigned i = 0; i < count_; i++) {
    const UniqueFd owner(openat(directories_[i].base.get(), directories_[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (owner.valid()) Walk(owner.get(), ThawOne, [](int, const char*) {});
  }
}

void AdoptedCgroups::Move(int directory) {
  const UniqueFd tasks(openat(directory, "tasks", O_WRONLY | O_CLOEXEC));
  // Refused: then it stays where it is, and nothing else depends on it.
  if (tasks.valid() && write(tasks.get(), "0", 1) != 1) return;
}

bool AdoptedCgroups::Remove(const Directory& directory) {
  const int base = directory.base.get();
  const UniqueFd owner(openat(base, directory.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (owner.valid() && (!Empty(owner.get()) || unlinkat(base, directory.path, AT_REMOVEDIR) != 0)) return false;
  // The library's own directory goes with its last owner.
  char library[sizeof directory.path];
  snprintf(library, sizeof library, "%.*s", static_cast<int>(strcspn(directory.path, "/")), directory.path);
  unlinkat(base, library, AT_REMOVEDIR);
  return true;
}

void AdoptedCgroups::RemoveAll() {
  for (unsigned i = 0; i < count_; i++) Move(directories_[i].base.get());
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    bool all = true;
    for (unsigned i = 0; i < count_; i++) all = Remove(directories_[i]) && all;
    if (all) return;
    const timespec pause = {0, 10000000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace cloister
