// What the application sends: a LaunchPlan to the launcher (one sandbox), a CommandPlan to a sandbox's init.
// The encoding is mirrored by lib/native/wire.ts; fields are read in the order in which they stand here.
#pragma once

#include <stdint.h>

#include "bytes.h"
#include "result.h"

namespace cloister {

inline constexpr uint32_t kPlanVersion = 1;

struct IdMapEntry {
  uint32_t inside;
  uint32_t outside;
  uint32_t count;
};

struct KeyValue {
  const char* key;
  const char* value;  // empty: a flag without a value
};

struct DeviceNode {
  const char* path;  // below /dev, without it
  char kind;         // 'c', 'b' or 'l' for a symbolic link
  uint32_t major;
  uint32_t minor;
  uint32_t mode;
  const char* link;  // target, for 'l'
};

// A detached mount that the launcher makes with the host's privileges, before the sandbox exists.
struct Source {
  enum class Kind : uint8_t { kHost = 0, kTmpfs = 1, kOverlay = 2, kDev = 3 };

  // Whether the sandbox's ids stand for the tree's own; without that, its files belong to nobody inside.
  enum class IdMapping : uint8_t { kNo = 0, kYes = 1, kIfPossible = 2 };

  Kind kind;
  uint64_t attributes;  // MOUNT_ATTR_*, applied to the finished mount
  IdMapping id_mapping;
  bool recursive;  // attributes and mapping apply to the mounts below it, too

  uint32_t fd;  // kHost: index of a descriptor from open_tree(2) in the message

  uint64_t size_bytes;  // kTmpfs
  uint64_t inodes;      // kTmpfs
  uint32_t mode;        // kTmpfs: of its root directory

  Array<uint32_t> lowers;  // kOverlay: indices of earlier sources, top layer first
  uint32_t upper;          // kOverlay: index of an earlier source that holds the writable layer
  const char* upper_name;  // kOverlay: directory in that source
  bool unsynced;           // kOverlay: its writes need not survive a crash of the machine

  Array<DeviceNode> nodes;  // kDev
};

// What init does in order, once it is in the new namespaces.
struct Step {
  enum class Kind : uint8_t {
    kAttach = 0,      // mount source `index` on `path`
    kFilesystem = 1,  // mount a new file system of `type` on `path`
    kMask = 2,        // hide `path`: a file by /dev/null, a directory by an empty read-only tmpfs
    kReadonly = 3,    // make `path` read-only
    kSysctl = 4,      // write `value` to /proc/sys/`path`
    kDirectory = 5,   // make sure that there is a directory
  };

  Kind kind;
  const char* path;  // below the sandbox's root, without a leading slash; "" is the root itself
  uint32_t index;
  uint64_t attributes;
  const char* type;
  Array<KeyValue> options;
  const char* value;
  bool optional;  // a missing path is no error
  bool file;      // kAttach: the target is a file, not a directory
  bool strict;    // no symbolic link may be part of the target's path
};

struct Rlimit {
  uint32_t resource;
  uint64_t soft;
  uint64_t hard;
};

struct CapabilitySets {
  uint64_t bounding;
  uint64_t effective;
  uint64_t permitted;
  uint64_t inheritable;
  uint64_t ambient;
};

inline constexpr uint32_t kNoFd = 0xffffffff;

struct CommandPlan {
  uint32_t id;
  Array<const char*> argv;  // followed by a null pointer
  Array<const char*> env;   // followed by two null pointers: init may add HOME
  const char* cwd;
  const char* user;  // name or number to look up inside; empty: take uid, gid and groups as given
  const char* group;
  uint32_t uid;
  uint32_t gid;
  Array<uint32_t> groups;
  uint32_t umask;
  CapabilitySets capabilities;
  bool no_new_privileges;
  bool find_home;  // set HOME from the user's entry
  bool kill_rest;  // one shot: the sandbox ends with this command
  Array<Rlimit> rlimits;
  uint32_t stdio[3];  // indices into the message's descriptors; kNoFd is /dev/null
  // Joined by clone3(2) with CLONE_INTO_CGROUP; kNoFd: none. A v2 directory that init may write to, see lib/cgroup/manager.ts.
  uint32_t cgroup;
  Array<uint32_t> cgroup_files;  // indices of opened `tasks` files of v1 groups to write "0" to
  bool tty;
  uint32_t columns;
  uint32_t rows;
};

struct TimeOffsets {
  bool present;
  int64_t monotonic_ns;
  int64_t boottime_ns;
};

struct LaunchPlan {
  uint32_t id;
  uint64_t namespaces;  // CLONE_NEW*
  Array<IdMapEntry> uid_map;
  Array<IdMapEntry> gid_map;
  uint32_t next_root;  // the host's id of root in the sandbox that is likely to be launched next; 0: unknown
  const char* hostname;
  const char* domainname;
  TimeOffsets time_offsets;
  Array<Source> sources;
  uint32_t root;      // index of the source that becomes /
  uint32_t writable;  // index of the source that is sent back through the control socket; kNoFd: none
  Array<Step> steps;
  bool readonly_root;
  bool loopback;
  bool lock_mounts;  // what host mounts forbid must hold against CAP_SYS_ADMIN inside, too
  Bytes seccomp;     // sock_filter[]; empty: unconfined
  uint32_t seccomp_flags;
  uint32_t cgroup;               // index of the v2 directory into which init is cloned; kNoFd: none
  Array<uint32_t> cgroup_files;  // as in CommandPlan; commands inherit what init joined
  uint32_t control;              // index of the sandbox's control socket in the message
  bool has_command;
  CommandPlan command;
};

// Both point into `data`, which must outlive the plan.
// The sandbox that a launch plan is for, also when the rest of it cannot be read.
uint32_t PlanId(const uint8_t* data, size_t size);
Result<LaunchPlan> DecodeLaunchPlan(const uint8_t* data, size_t size, Arena& arena);
Result<CommandPlan> DecodeCommandPlan(const uint8_t* data, size_t size, Arena& arena);

}  // namespace cloister
