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
// The child runs `run(argument)` on the stack in `args` and never returns here; the C library has no such wrapper.
inline pid_t CloneOnStack(struct clone_args* args, int (*run)(void*), void* argument) {
  long result;
#if defined(__x86_64__)
  register int (*child)(void*) asm("r12") = run;
  register void* data asm("r13") = argument;
  asm volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "mov %%r13, %%rdi\n"
      "call *%%r12\n"
      "mov %%eax, %%edi\n"
      "mov %[exit], %%eax\n"
      "syscall\n"
      "1:\n"
      : "=a"(result)
      : "a"(static_cast<long>(SYS_clone3)), "D"(args), "S"(sizeof *args), "r"(child), "r"(data), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long number asm("x8") = SYS_clone3;
  register long first asm("x0") = reinterpret_cast<long>(args);
  register long second asm("x1") = sizeof *args;
  register int (*child)(void*) asm("x19") = run;
  register void* data asm("x20") = argument;
  asm volatile(
      "svc 0\n"
      "cbnz x0, 1f\n"
      "mov x29, 0\n"
      "mov x0, x20\n"
      "blr x19\n"
      "mov x8, %[exit]\n"
      "svc 0\n"
      "1:\n"
      : "+r"(first)
      : "r"(number), "r"(second), "r"(child), "r"(data), [exit] "i"(SYS_exit)
      : "x30", "memory");
  result = first;
#else
#error "clone3 on a stack of its own is written for x86-64 and arm64"
#endif
  if (result >= 0) return static_cast<pid_t>(result);
  errno = static_cast<int>(-result);
  return -1;
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
