// Looks at every byte that a plan points to, as those do who carry it out: AddressSanitizer sees what is not the plan's.
#pragma once

#include <string.h>

#include <initializer_list>

#include "../../../addon/kernel/plan.h"

namespace cloister::fuzz {

inline volatile size_t sink;

inline void Read(const char* text) { sink = sink + strlen(text); }
inline void Read(uint32_t number) { sink = sink + number; }
inline void Read(const IdMapEntry& entry) { sink = sink + entry.inside + entry.outside + entry.count; }
inline void Read(const Rlimit& limit) { sink = sink + limit.resource + limit.soft + limit.hard; }
inline void Read(const KeyValue& option) {
  Read(option.key);
  Read(option.value);
}
inline void Read(const DeviceNode& node) {
  Read(node.path);
  Read(node.link);
}

inline void Read(const Source& source);
inline void Read(const Step& step);

template <class T>
void ReadEach(const Array<T>& items) {
  for (const T& item : items) Read(item);
}

inline void Read(const Source& source) {
  ReadEach(source.lowers);
  ReadEach(source.nodes);
  if (source.kind == Source::Kind::kOverlay) Read(source.upper_name);
}
inline void Read(const Step& step) {
  Read(step.path);
  Read(step.type);
  Read(step.value);
  ReadEach(step.options);
}

inline void ReadAll(const CommandPlan& plan) {
  ReadEach(plan.argv);
  ReadEach(plan.env);
  ReadEach(plan.groups);
  ReadEach(plan.rlimits);
  ReadEach(plan.cgroup_files);
  for (const char* text : {plan.cwd, plan.user, plan.group}) Read(text);
}

inline void ReadAll(const LaunchPlan& plan) {
  ReadEach(plan.uid_map);
  ReadEach(plan.gid_map);
  ReadEach(plan.sources);
  ReadEach(plan.steps);
  ReadEach(plan.cgroup_files);
  for (const char* text : {plan.hostname, plan.domainname}) Read(text);
  for (const uint8_t byte : plan.seccomp) sink = sink + byte;
  if (plan.has_command) ReadAll(plan.command);
}

}  // namespace cloister::fuzz
