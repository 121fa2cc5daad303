// Plans as bytes, field after field, for tests that break one of them.
#pragma once

#include <string>
#include <vector>

#include "../../addon/kernel/plan.h"
#include "support.h"

namespace cloister::test {

struct SampleCommand {
  std::vector<std::string> argv = {"sh", "-c", "exit 3"};
  std::vector<std::string> env = {"PATH=/bin", "A=1"};
  uint8_t tty = 1;

  Encoder Encode() const {
    Encoder out;
    out.U32(7).U32(static_cast<uint32_t>(argv.size()));
    for (const std::string& each : argv) out.Text(each);
    out.U32(static_cast<uint32_t>(env.size()));
    for (const std::string& each : env) out.Text(each);
    out.Text("/tmp").Text("user").Text("group").U32(1000).U32(100);
    out.U32(2).U32(4).U32(24);                  // groups
    out.U32(022);                               // umask
    out.U64(1).U64(2).U64(3).U64(4).U64(5);     // capabilities
    out.U8(1).U8(0).U8(1);                      // no_new_privileges, find_home, kill_rest
    out.U32(1).U32(7).U64(64).U64(UINT64_MAX);  // rlimits
    out.U32(1).U32(2).U32(kNoFd);               // stdio
    out.U32(kNoFd).U32(1).U32(3);               // cgroup, cgroup_files
    out.U8(tty).U32(80).U32(24);
    return out;
  }
};

struct SampleLaunch {
  uint32_t version = kPlanVersion;
  std::vector<Encoder> sources;
  uint32_t root = 2;
  std::vector<Encoder> steps;
  uint8_t has_command = 1;

  SampleLaunch() {
    sources = {Tmpfs(), Host(0), Overlay({1}, 0), Dev('c')};
    steps = {Attach(3, "dev"), Filesystem("proc")};
  }

  static Encoder Source(Source::Kind kind) {
    Encoder out;
    out.U8(static_cast<uint8_t>(kind)).U64(6).U8(0).U8(0);
    return out;
  }
  static Encoder Tmpfs() { return Source(Source::Kind::kTmpfs).U64(1 << 20).U64(256).U32(0755); }
  static Encoder Host(uint32_t fd) { return Source(Source::Kind::kHost).U32(fd); }
  static Encoder Overlay(const std::vector<uint32_t>& lowers, uint32_t upper) {
    Encoder out = Source(Source::Kind::kOverlay);
    out.U32(static_cast<uint32_t>(lowers.size()));
    for (const uint32_t lower : lowers) out.U32(lower);
    return out.U32(upper).Text("layer").U8(0);
  }
  static Encoder Dev(char kind) {
    return Source(Source::Kind::kDev)
        .U32(1)
        .Text("null")
        .U8(static_cast<uint8_t>(kind))
        .U32(1)
        .U32(3)
        .U32(0666)
        .Text("");
  }

  static Encoder Attach(uint32_t source, const std::string& path) {
    return Encoder().U8(0).Text(path).U32(source).U64(0).Text("").U32(0).Text("").U8(0).U8(1).U8(1);
  }
  static Encoder Filesystem(const std::string& type) {
    return Encoder()
        .U8(1)
        .Text(type)
        .U32(0)
        .U64(14)
        .Text(type)
        .U32(1)
        .Text("hidepid")
        .Text("2")
        .Text("")
        .U8(0)
        .U8(0)
        .U8(1);
  }

  Encoder Encode() const {
    Encoder out;
    out.U32(version).U32(41).U64(0x20000);
    out.U32(1).U32(0).U32(100000).U32(65536);  // uid_map
    out.U32(0);                                // gid_map
    out.U32(0);                                // next_root
    out.Text("host").Text("domain");
    out.U8(1).I64(-5).I64(7);  // time_offsets
    out.U32(static_cast<uint32_t>(sources.size()));
    for (const Encoder& each : sources) out.Append(each);
    out.U32(root).U32(kNoFd);  // root, writable
    out.U32(static_cast<uint32_t>(steps.size()));
    for (const Encoder& each : steps) out.Append(each);
    out.U8(1).U8(0).U8(1);                     // readonly_root, loopback, lock_mounts
    out.Blob(std::string(16, '\x06')).U32(2);  // seccomp
    out.U32(kNoFd).U32(0).U32(9);              // cgroup, cgroup_files, control
    out.U8(has_command);
    if (has_command == 1) out.Append(SampleCommand().Encode());
    return out;
  }
};

}  // namespace cloister::test
