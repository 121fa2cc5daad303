// Decodes plans and prints what init and the launcher would see, for test/native/plan-codec.test.ts.
//
//   cloister-plan-to-json < plans      a plan: u8 'l' or 'c', u32 size, that many bytes
//
// One line of JSON each; 64-bit numbers are texts. A plan that is refused is {"error": why}.
#include <stdio.h>
#include <string.h>

#include <string>
#include <vector>

#include "../../addon/kernel/plan.h"

namespace {

using cloister::Array;
using cloister::CommandPlan;
using cloister::DeviceNode;
using cloister::IdMapEntry;
using cloister::KeyValue;
using cloister::LaunchPlan;
using cloister::Rlimit;
using cloister::Source;
using cloister::Step;

std::string Text(const char* text) {
  std::string out = "\"";
  for (const char* at = text; *at != '\0'; at++) {
    const auto byte = static_cast<unsigned char>(*at);
    char escaped[8];
    snprintf(escaped, sizeof escaped, byte < 0x20 || byte == '"' || byte == '\\' ? "\\u%04x" : "%c", byte);
    out += escaped;
  }
  return out + "\"";
}

std::string Number(uint32_t value) { return std::to_string(value); }
std::string Long(uint64_t value) { return "\"" + std::to_string(value) + "\""; }
std::string SignedLong(int64_t value) { return "\"" + std::to_string(value) + "\""; }
std::string Flag(bool value) { return value ? "true" : "false"; }

template <class T, class Print>
std::string List(const Array<T>& items, Print print) {
  std::string out = "[";
  for (const T& item : items) out += (out.size() > 1 ? "," : "") + print(item);
  return out + "]";
}

using Fields = std::vector<std::pair<const char*, std::string>>;

std::string Object(const Fields& fields) {
  std::string out = "{";
  for (const auto& [name, value] : fields) out += (out.size() > 1 ? ",\"" : "\"") + std::string(name) + "\":" + value;
  return out + "}";
}

std::string IdMap(const IdMapEntry& entry) {
  return Object({{"inside", Number(entry.inside)}, {"outside", Number(entry.outside)}, {"count", Number(entry.count)}});
}

std::string Node(const DeviceNode& node) {
  const char kind[] = {node.kind, '\0'};
  return Object({{"path", Text(node.path)},
                 {"kind", Text(kind)},
                 {"major", Number(node.major)},
                 {"minor", Number(node.minor)},
                 {"mode", Number(node.mode)},
                 {"link", Text(node.link)}});
}

std::string SourceObject(const Source& source) {
  return Object({{"kind", Number(static_cast<uint32_t>(source.kind))},
                 {"attributes", Long(source.attributes)},
                 {"idMapping", Number(static_cast<uint32_t>(source.id_mapping))},
                 {"recursive", Flag(source.recursive)},
                 {"fd", Number(source.fd)},
                 {"sizeBytes", Long(source.size_bytes)},
                 {"inodes", Long(source.inodes)},
                 {"mode", Number(source.mode)},
                 {"lowers", List(source.lowers, Number)},
                 {"upper", Number(source.upper)},
                 {"upperName", Text(source.upper_name == nullptr ? "" : source.upper_name)},
                 {"unsynced", Flag(source.unsynced)},
                 {"nodes", List(source.nodes, Node)}});
}

std::string StepObject(const Step& step) {
  const auto option = [](const KeyValue& each) { return "[" + Text(each.key) + "," + Text(each.value) + "]"; };
  return Object({{"kind", Number(static_cast<uint32_t>(step.kind))},
                 {"path", Text(step.path)},
                 {"index", Number(step.index)},
                 {"attributes", Long(step.attributes)},
                 {"type", Text(step.type)},
                 {"options", List(step.options, option)},
                 {"value", Text(step.value)},
                 {"optional", Flag(step.optional)},
                 {"file", Flag(step.file)},
                 {"strict", Flag(step.strict)}});
}

std::string Command(const CommandPlan& plan) {
  const auto limit = [](const Rlimit& each) {
    return Object({{"resource", Number(each.resource)}, {"soft", Long(each.soft)}, {"hard", Long(each.hard)}});
  };
  const cloister::CapabilitySets& sets = plan.capabilities;
  return Object({{"id", Number(plan.id)},
                 {"argv", List(plan.argv, Text)},
                 {"env", List(plan.env, Text)},
                 {"cwd", Text(plan.cwd)},
                 {"user", Text(plan.user)},
                 {"group", Text(plan.group)},
                 {"uid", Number(plan.uid)},
                 {"gid", Number(plan.gid)},
                 {"groups", List(plan.groups, Number)},
                 {"umask", Number(plan.umask)},
                 {"capabilities", Object({{"bounding", Long(sets.bounding)},
                                          {"effective", Long(sets.effective)},
                                          {"permitted", Long(sets.permitted)},
                                          {"inheritable", Long(sets.inheritable)},
                                          {"ambient", Long(sets.ambient)}})},
                 {"noNewPrivileges", Flag(plan.no_new_privileges)},
                 {"findHome", Flag(plan.find_home)},
                 {"killRest", Flag(plan.kill_rest)},
                 {"rlimits", List(plan.rlimits, limit)},
                 {"stdio", List(Array<const uint32_t>{plan.stdio, 3}, Number)},
                 {"cgroup", Number(plan.cgroup)},
                 {"cgroupFiles", List(plan.cgroup_files, Number)},
                 {"tty", Flag(plan.tty)},
                 {"columns", Number(plan.columns)},
                 {"rows", Number(plan.rows)}});
}

std::string Launch(const LaunchPlan& plan) {
  const auto byte = [](uint8_t value) { return std::to_string(value); };
  return Object({{"id", Number(plan.id)},
                 {"namespaces", Long(plan.namespaces)},
                 {"uidMap", List(plan.uid_map, IdMap)},
                 {"gidMap", List(plan.gid_map, IdMap)},
                 {"hostname", Text(plan.hostname)},
                 {"domainname", Text(plan.domainname)},
                 {"hasOffsets", Flag(plan.time_offsets.present)},
                 {"monotonicNs", SignedLong(plan.time_offsets.monotonic_ns)},
                 {"boottimeNs", SignedLong(plan.time_offsets.boottime_ns)},
                 {"sources", List(plan.sources, SourceObject)},
                 {"root", Number(plan.root)},
                 {"writable", Number(plan.writable)},
                 {"steps", List(plan.steps, StepObject)},
                 {"readonlyRoot", Flag(plan.readonly_root)},
                 {"loopback", Flag(plan.loopback)},
                 {"lockMounts", Flag(plan.lock_mounts)},
                 {"seccomp", List(plan.seccomp, byte)},
                 {"seccompFlags", Number(plan.seccomp_flags)},
                 {"nextRoot", Number(plan.next_root)},
                 {"cgroup", Number(plan.cgroup)},
                 {"cgroupFiles", List(plan.cgroup_files, Number)},
                 {"control", Number(plan.control)},
                 {"command", plan.has_command ? Command(plan.command) : "null"}});
}

template <class Plan>
std::string Print(cloister::Result<Plan> decoded, std::string (*print)(const Plan&)) {
  return decoded.ok() ? print(decoded.value()) : Object({{"error", Text(decoded.error().subject)}});
}

}  // namespace

int main() {
  for (int kind; (kind = getchar()) != EOF;) {
    uint32_t size = 0;
    if (fread(&size, sizeof size, 1, stdin) != 1) return 1;
    std::vector<uint8_t> bytes(size);
    if (fread(bytes.data(), 1, size, stdin) != size) return 1;
    cloister::Arena arena;
    puts(kind == 'l' ? Print(cloister::DecodeLaunchPlan(bytes.data(), size, arena), Launch).c_str()
                     : Print(cloister::DecodeCommandPlan(bytes.data(), size, arena), Command).c_str());
  }
  return 0;
}
