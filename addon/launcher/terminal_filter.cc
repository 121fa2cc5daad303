#include "terminal_filter.h"

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cloister {
namespace {

struct Ioctl {
  uint32_t architecture;
  uint32_t number;
};

// Every way into the kernel that a processor which this runs on has, asm/unistd.h of each.
constexpr Ioctl kIoctls[] = {
    {AUDIT_ARCH_X86_64, 16}, {AUDIT_ARCH_X86_64, 0x40000000 | 514}, {AUDIT_ARCH_I386, 54}, {AUDIT_ARCH_AARCH64, 29},
    {AUDIT_ARCH_ARM, 54},
};
constexpr unsigned kBlock = 5;  // instructions for each
constexpr unsigned kCount = sizeof kIoctls / sizeof kIoctls[0];

// The half of the second argument that the kernel looks at; both processors are little-endian.
constexpr uint32_t kRequest = offsetof(seccomp_data, args) + sizeof(uint64_t);

}  // namespace

Status InstallTerminalFilter() {
  sock_filter code[kCount * kBlock + 6];
  unsigned at = 0;
  for (unsigned i = 0; i < kCount; i++) {
    const unsigned to_check = (kCount - i - 1) * kBlock + 1;
    code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
    code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kIoctls[i].architecture, 0, 3);
    code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kIoctls[i].number, 0, 1);
    code[at++] = BPF_STMT(BPF_JMP | BPF_JA, to_check);
  }
  code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kRequest);
  code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 2, 0);
  code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 1, 0);
  code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  sock_fprog program = {};
  program.len = static_cast<unsigned short>(at);
  program.filter = code;
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
    return LastError("seccomp(2)", "terminal filter");
  return {};
}

}  // namespace cloister
