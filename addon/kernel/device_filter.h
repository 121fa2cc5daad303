// The device list of a v2 control group, which is a BPF program: v2 has no `devices` controller.
#pragma once

#include <stddef.h>

#include "result.h"

namespace cloister {

// Loads `program` (an array of struct bpf_insn, `size` bytes, type BPF_PROG_TYPE_CGROUP_DEVICE) and attaches it to the group whose
// directory `cgroup_fd` is. Programs of the groups above keep their say (BPF_F_ALLOW_MULTI); the kernel drops the program
// together with the group. See https://docs.kernel.org/bpf/prog_cgroup_sockopt.html for how attached programs combine.
Status AttachDeviceFilter(int cgroup_fd, const void* program, size_t size);

}  // namespace cloister
