#include "plan.h"

namespace cloister {
namespace {

bool Flag(Reader& in) {
  const uint8_t value = in.U8();
  if (value > 1) in.Fail();
  return value == 1;
}

uint32_t Number(Reader& in) { return in.U32(); }
const char* Text(Reader& in) { return in.String(); }

IdMapEntry ReadIdMapEntry(Reader& in) { return {in.U32(), in.U32(), in.U32()}; }
KeyValue ReadKeyValue(Reader& in) { return {in.String(), in.String()}; }
Rlimit ReadRlimit(Reader& in) { return {in.U32(), in.U64(), in.U64()}; }

DeviceNode ReadDeviceNode(Reader& in) {
  DeviceNode node = {};
  node.path = in.String();
  node.kind = static_cast<char>(in.U8());
  node.major = in.U32();
  node.minor = in.U32();
  node.mode = in.U32();
  node.link = in.String();
  if (node.kind != 'c' && node.kind != 'b' && node.kind != 'l') in.Fail();
  return node;
}

Source ReadSource(Reader& in) {
  Source source = {};
  const uint8_t kind = in.U8();
  if (kind > static_cast<uint8_t>(Source::Kind::kDev)) in.Fail();
  source.kind = static_cast<Source::Kind>(kind);
  source.attributes = in.U64();
  const uint8_t mapping = in.U8();
  if (mapping > static_cast<uint8_t>(Source::IdMapping::kIfPossible)) in.Fail();
  source.id_mapping = static_cast<Source::IdMapping>(mapping);
  source.recursive = Flag(in);
  switch (source.kind) {
    case Source::Kind::kHost:
      source.fd = in.U32();
      break;
    case Source::Kind::kTmpfs:
      source.size_bytes = in.U64();
      source.inodes = in.U64();
      source.mode = in.U32();
      break;
    case Source::Kind::kOverlay:
      source.lowers = in.List<uint32_t>(Number);
      source.upper = in.U32();
      source.upper_name = in.String();
      source.unsynced = Flag(in);
      break;
    case Source::Kind::kDev:
      source.nodes = in.List<DeviceNode>(ReadDeviceNode);
      break;
  }
  return source;
}

Step ReadStep(Reader& in) {
  Step step = {};
  const uint8_t kind = in.U8();
  if (kind > static_cast<uint8_t>(Step::Kind::kDirectory)) in.Fail();
  step.kind = static_cast<Step::Kind>(kind);
  step.path = in.String();
  step.index = in.U32();
  step.attributes = in.U64();
  step.type = in.String();
  step.options = in.List<KeyValue>(ReadKeyValue);
  step.value = in.String();
  step.optional = Flag(in);
  step.file = Flag(in);
  step.strict = Flag(in);
  return step;
}

CapabilitySets ReadCapabilities(Reader& in) { return {in.U64(), in.U64(), in.U64(), in.U64(), in.U64()}; }

CommandPlan ReadCommand(Reader& in) {
  CommandPlan command = {};
  command.id = in.U32();
  command.argv = in.List<const char*>(Text, 1);
  command.env = in.List<const char*>(Text, 2);
  command.cwd = in.String();
  command.user = in.String();
  command.group = in.String();
  command.uid = in.U32();
  command.gid = in.U32();
  command.groups = in.List<uint32_t>(Number);
  command.umask = in.U32();
  command.capabilities = ReadCapabilities(in);
  command.no_new_privileges = Flag(in);
  command.find_home = Flag(in);
  command.kill_rest = Flag(in);
  command.rlimits = in.List<Rlimit>(ReadRlimit);
  for (uint32_t& index : command.stdio) index = in.U32();
  command.cgroup = in.U32();
  command.cgroup_files = in.List<uint32_t>(Number);
  command.tty = Flag(in);
  command.columns = in.U32();
  command.rows = in.U32();
  if (command.argv.size == 0) in.Fail();
  return command;
}

// An overlay is made of sources that stand before it, steps and the root of any that exist.
bool IndicesHold(const LaunchPlan& plan) {
  for (uint32_t i = 0; i < plan.sources.size; i++) {
    const Source& source = plan.sources[i];
    if (source.kind != Source::Kind::kOverlay) continue;
    if (source.upper >= i || source.lowers.size == 0) return false;
    for (const uint32_t lower : source.lowers) {
      if (lower >= i) return false;
    }
  }
  for (const Step& step : plan.steps) {
    if (step.kind == Step::Kind::kAttach && step.index >= plan.sources.size) return false;
  }
  return plan.root < plan.sources.size && (plan.writable == kNoFd || plan.writable < plan.sources.size);
}

}  // namespace

uint32_t PlanId(const uint8_t* data, size_t size) {
  Arena arena;
  Reader in(data, size, arena);
  in.U32();
  return in.U32();
}

Result<LaunchPlan> DecodeLaunchPlan(const uint8_t* data, size_t size, Arena& arena) {
  Reader in(data, size, arena);
  LaunchPlan plan = {};
  if (in.U32() != kPlanVersion) return Error("launch plan", EPROTO, "version");
  plan.id = in.U32();
  plan.namespaces = in.U64();
  plan.uid_map = in.List<IdMapEntry>(ReadIdMapEntry);
  plan.gid_map = in.List<IdMapEntry>(ReadIdMapEntry);
  plan.next_root = in.U32();
  plan.hostname = in.String();
  plan.domainname = in.String();
  plan.time_offsets = {Flag(in), in.I64(), in.I64()};
  plan.sources = in.List<Source>(ReadSource);
  plan.root = in.U32();
  plan.writable = in.U32();
  plan.steps = in.List<Step>(ReadStep);
  plan.readonly_root = Flag(in);
  plan.loopback = Flag(in);
  plan.lock_mounts = Flag(in);
  plan.seccomp = in.Blob();
  plan.seccomp_flags = in.U32();
  plan.cgroup = in.U32();
  plan.cgroup_files = in.List<uint32_t>(Number);
  plan.control = in.U32();
  plan.has_command = Flag(in);
  if (plan.has_command) plan.command = ReadCommand(in);
  if (!in.ok() || !in.AtEnd() || !IndicesHold(plan)) return Error("launch plan", EPROTO, "malformed");
  return Result<LaunchPlan>(static_cast<LaunchPlan&&>(plan));
}

Result<CommandPlan> DecodeCommandPlan(const uint8_t* data, size_t size, Arena& arena) {
  Reader in(data, size, arena);
  CommandPlan command = ReadCommand(in);
  if (!in.ok() || !in.AtEnd()) return Error("command plan", EPROTO, "malformed");
  return Result<CommandPlan>(static_cast<CommandPlan&&>(command));
}

}  // namespace cloister
