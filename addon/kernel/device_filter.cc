#include "device_filter.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unique_fd.h"

namespace cloister {
namespace {

int Bpf(int command, union bpf_attr* attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, attributes, sizeof *attributes));
}

uint64_t AsPointer(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace

Status AttachDeviceFilter(int cgroup_fd, const void* program, size_t size) {
  if (size == 0 || size % sizeof(struct bpf_insn) != 0) return Error("bpf(2)", EINVAL, "device filter: odd size");

  // The kernel refuses a union with stray bytes, and "= {}" promises zeroes only for a union's first member.
  union bpf_attr load;
  memset(&load, 0, sizeof load);
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = AsPointer(program);
  load.insn_cnt = static_cast<uint32_t>(size / sizeof(struct bpf_insn));
  load.license = AsPointer("MIT");
  const UniqueFd loaded(Bpf(BPF_PROG_LOAD, &load));
  if (!loaded.valid()) return LastError("bpf(2)", "load device filter");

  union bpf_attr attach;
  memset(&attach, 0, sizeof attach);
  attach.target_fd = static_cast<uint32_t>(cgroup_fd);
  attach.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (Bpf(BPF_PROG_ATTACH, &attach) != 0) return LastError("bpf(2)", "attach device filter");
  return Done{};
}

}  // namespace cloister
