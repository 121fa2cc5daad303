// Calls that the C libraries we build with do not all wrap. Thin: arguments in, fd or -1 with errno out.
// <sys/mount.h> is avoided: glibc's and musl's both clash with <linux/mount.h>.
#pragma once

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cloister::sys {

// <linux/fcntl.h> and <fcntl.h> cannot be included together everywhere.
inline constexpr unsigned kAtEmptyPath = 0x1000;
inline constexpr unsigned kAtRecursive = 0x8000;
inline constexpr int kUmountDetach = 2;  // MNT_DETACH, umount2(2)
// clone3(2) accepts CLONE_NEWTIME; older <linux/sched.h> has it too, kept here for musl's copy.
inline constexpr uint64_t kCloneNewTime = 0x00000080;

inline int OpenTree(int dir, const char* path, unsigned flags) {
  return static_cast<int>(syscall(SYS_open_tree, dir, path, flags));
}
inline int MoveMount(int from, const char* from_path, int to, const char* to_path, unsigned flags) {
  return static_cast<int>(syscall(SYS_move_mount, from, from_path, to, to_path, flags));
}
inline int FsOpen(const char* type) { return static_cast<int>(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }
inline int FsConfig(int fd, unsigned command, const char* key, const void* value, int aux) {
  return static_cast<int>(syscall(SYS_fsconfig, fd, command, key, value, aux));
}
inline int FsMount(int fd, unsigned attributes) {
  return static_cast<int>(syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attributes));
}
inline int MountSetattr(int fd, unsigned flags, struct mount_attr* attr) {
  return static_cast<int>(syscall(SYS_mount_setattr, fd, "", kAtEmptyPath | flags, attr, sizeof *attr));
}
inline int OpenAt2(int dir, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = resolve;
  return static_cast<int>(syscall(SYS_openat2, dir, path, &how, sizeof how));
}
inline long Clone3(struct clone_args* args) { return syscall(SYS_clone3, args, sizeof *args); }
inline int PivotRoot(const char* new_root, const char* put_old) {
  return static_cast<int>(syscall(SYS_pivot_root, new_root, put_old));
}
inline int Umount(const char* path, int flags) { return static_cast<int>(syscall(SYS_umount2, path, flags)); }
inline int CloseRange(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(syscall(SYS_close_range, first, last, flags));
}

}  // namespace cloister::sys
