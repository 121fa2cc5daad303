#include "../../addon/kernel/plan.h"

#include <doctest/doctest.h>

#include "sample_plan.h"

using cloister::Arena;
using cloister::CommandPlan;
using cloister::DecodeCommandPlan;
using cloister::DecodeLaunchPlan;
using cloister::kNoFd;
using cloister::LaunchPlan;
using cloister::PlanId;
using cloister::Result;
using cloister::Source;
using cloister::test::Encoder;
using cloister::test::SampleCommand;
using cloister::test::SampleLaunch;

namespace {

std::string Refusal(const SampleLaunch& sample) {
  const Encoder out = sample.Encode();
  Arena arena;
  const Result<LaunchPlan> plan = DecodeLaunchPlan(out.data(), out.size(), arena);
  return plan.ok() ? "" : plan.error().subject;
}

bool Accepts(const SampleCommand& sample) {
  const Encoder out = sample.Encode();
  Arena arena;
  return DecodeCommandPlan(out.data(), out.size(), arena).ok();
}

}  // namespace

TEST_CASE("a launch plan, field by field") {
  const Encoder out = SampleLaunch().Encode();
  Arena arena;
  Result<LaunchPlan> decoded = DecodeLaunchPlan(out.data(), out.size(), arena);
  REQUIRE(decoded.ok());
  const LaunchPlan& plan = decoded.value();
  CHECK(plan.id == 41);
  CHECK(plan.namespaces == 0x20000);
  REQUIRE(plan.uid_map.size == 1);
  CHECK(plan.uid_map[0].outside == 100000);
  CHECK(plan.gid_map.size == 0);
  CHECK(std::string(plan.hostname) == "host");
  CHECK(std::string(plan.domainname) == "domain");
  CHECK(plan.time_offsets.present);
  CHECK(plan.time_offsets.monotonic_ns == -5);
  CHECK(plan.time_offsets.boottime_ns == 7);
  REQUIRE(plan.sources.size == 4);
  CHECK(plan.sources[0].kind == Source::Kind::kTmpfs);
  CHECK(plan.sources[0].size_bytes == 1 << 20);
  CHECK(plan.sources[0].inodes == 256);
  CHECK(plan.sources[0].mode == 0755);
  CHECK(plan.sources[2].lowers[0] == 1);
  CHECK(std::string(plan.sources[2].upper_name) == "layer");
  CHECK(plan.sources[3].nodes[0].minor == 3);
  CHECK(plan.root == 2);
  REQUIRE(plan.steps.size == 2);
  CHECK(plan.steps[0].index == 3);
  CHECK(plan.steps[0].file);
  CHECK(plan.steps[0].strict);
  CHECK(std::string(plan.steps[1].options[0].key) == "hidepid");
  CHECK(plan.steps[1].attributes == 14);
  CHECK(plan.readonly_root);
  CHECK_FALSE(plan.loopback);
  CHECK(plan.lock_mounts);
  CHECK(plan.seccomp.size == 16);
  CHECK(plan.seccomp_flags == 2);
  CHECK(plan.cgroup == kNoFd);
  CHECK(plan.control == 9);
  CHECK(plan.has_command);
  CHECK(plan.command.id == 7);
}

TEST_CASE("a command plan, field by field") {
  const Encoder out = SampleCommand().Encode();
  Arena arena;
  Result<CommandPlan> decoded = DecodeCommandPlan(out.data(), out.size(), arena);
  REQUIRE(decoded.ok());
  const CommandPlan& plan = decoded.value();
  REQUIRE(plan.argv.size == 3);
  CHECK(plan.argv.data[3] == nullptr);
  REQUIRE(plan.env.size == 2);
  CHECK(plan.env.data[2] == nullptr);
  CHECK(plan.env.data[3] == nullptr);  // init may add HOME
  CHECK(std::string(plan.cwd) == "/tmp");
  CHECK(std::string(plan.user) == "user");
  CHECK(std::string(plan.group) == "group");
  CHECK(plan.uid == 1000);
  CHECK(plan.gid == 100);
  CHECK(plan.groups[1] == 24);
  CHECK(plan.umask == 022);
  CHECK(plan.capabilities.bounding == 1);
  CHECK(plan.capabilities.effective == 2);
  CHECK(plan.capabilities.permitted == 3);
  CHECK(plan.capabilities.inheritable == 4);
  CHECK(plan.capabilities.ambient == 5);
  CHECK(plan.no_new_privileges);
  CHECK_FALSE(plan.find_home);
  CHECK(plan.kill_rest);
  CHECK(plan.rlimits[0].hard == UINT64_MAX);
  CHECK(plan.stdio[0] == 1);
  CHECK(plan.stdio[2] == kNoFd);
  CHECK(plan.cgroup_files[0] == 3);
  CHECK(plan.tty);
  CHECK(plan.columns == 80);
  CHECK(plan.rows == 24);
}

TEST_CASE("a plan without its end, wherever it is cut, is refused, and so is one with something behind it") {
  const Encoder launch = SampleLaunch().Encode();
  const Encoder command = SampleCommand().Encode();
  for (uint32_t size = 0; size < launch.size(); size++) {
    const std::vector<uint8_t> cut(launch.data(), launch.data() + size);
    Arena arena;
    CHECK_FALSE(DecodeLaunchPlan(cut.data(), cut.size(), arena).ok());
  }
  for (uint32_t size = 0; size < command.size(); size++) {
    const std::vector<uint8_t> cut(command.data(), command.data() + size);
    Arena arena;
    CHECK_FALSE(DecodeCommandPlan(cut.data(), cut.size(), arena).ok());
  }
  Arena arena;
  Encoder longer = launch;
  longer.U8(0);
  CHECK_FALSE(DecodeLaunchPlan(longer.data(), longer.size(), arena).ok());
  Encoder longer_command = command;
  longer_command.U8(0);
  CHECK_FALSE(DecodeCommandPlan(longer_command.data(), longer_command.size(), arena).ok());
}

TEST_CASE("the sandbox that a plan is for can be told when the rest cannot be read") {
  Encoder out;
  out.U32(99).U32(41);
  CHECK(PlanId(out.data(), out.size()) == 41);
  CHECK(PlanId(out.data(), 7) == 0);
  CHECK(PlanId(nullptr, 0) == 0);
}

TEST_CASE("another version") {
  SampleLaunch sample;
  sample.version = 2;
  CHECK(Refusal(sample) == "version");
}

TEST_CASE("kinds, flags and indices out of range") {
  CHECK(Refusal({}) == "");
  const auto source = [](const Encoder& each) {
    SampleLaunch sample;
    sample.sources[2] = each;
    return Refusal(sample);
  };
  const auto step = [](const Encoder& each) {
    SampleLaunch sample;
    sample.steps[0] = each;
    return Refusal(sample);
  };
  CHECK(source(Encoder().U8(4).U64(0).U8(0).U8(0)) == "malformed");
  CHECK(source(Encoder().U8(0).U64(0).U8(3).U8(0).U32(0)) == "malformed");  // id mapping
  CHECK(source(Encoder().U8(0).U64(0).U8(0).U8(2).U32(0)) == "malformed");  // recursive
  CHECK(source(SampleLaunch::Dev('p')) == "malformed");                     // kind of node
  CHECK(source(SampleLaunch::Overlay({}, 0)) == "malformed");               // nothing below
  CHECK(source(SampleLaunch::Overlay({2}, 0)) == "malformed");              // itself
  CHECK(source(SampleLaunch::Overlay({1, 3}, 0)) == "malformed");           // what comes later
  CHECK(source(SampleLaunch::Overlay({1}, 2)) == "malformed");              // on itself
  CHECK(source(SampleLaunch::Overlay({0xffffffff}, 0)) == "malformed");
  CHECK(step(SampleLaunch::Attach(4, "x")) == "malformed");
  CHECK(step(SampleLaunch::Attach(0xffffffff, "x")) == "malformed");
  CHECK(step(Encoder().U8(6).Text("x").U32(0).U64(0).Text("").U32(0).Text("").U8(0).U8(0).U8(0)) == "malformed");
  SampleLaunch root;
  root.root = 4;
  CHECK(Refusal(root) == "malformed");
  SampleLaunch flag;
  flag.has_command = 2;
  CHECK(Refusal(flag) == "malformed");
  SampleLaunch none;
  none.sources.clear();
  none.steps.clear();
  none.root = 0;
  CHECK(Refusal(none) == "malformed");
}

TEST_CASE("a command without a program, or with a flag that is neither") {
  CHECK(Accepts({}));
  SampleCommand empty;
  empty.argv.clear();
  CHECK_FALSE(Accepts(empty));
  SampleCommand flag;
  flag.tty = 2;
  CHECK_FALSE(Accepts(flag));
  SampleCommand bare;
  bare.env.clear();
  CHECK(Accepts(bare));
}

TEST_CASE("a sandbox without a first command") {
  SampleLaunch sample;
  sample.has_command = 0;
  const Encoder out = sample.Encode();
  Arena arena;
  Result<LaunchPlan> plan = DecodeLaunchPlan(out.data(), out.size(), arena);
  REQUIRE(plan.ok());
  CHECK_FALSE(plan.value().has_command);
  CHECK(plan.value().command.argv.size == 0);
}
