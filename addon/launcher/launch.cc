#include "launch.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"
#include "init.h"
#include "sources.h"

namespace cloister {
namespace {

// The child waits for its id mapping; a launcher that dies closes the pipe, and the child leaves.
struct Gate {
  UniqueFd wait;
  UniqueFd open;
};

Status MakeGate(Gate& gate) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return LastError("pipe2(2)");
  gate.wait.reset(ends[0]);
  gate.open.reset(ends[1]);
  return {};
}

bool PassGate(Gate& gate) {
  gate.open.reset();
  char byte;
  const bool opened = read(gate.wait.get(), &byte, 1) == 1;
  gate.wait.reset();
  return opened;
}

Result<pid_t> CloneInit(const Launcher& launcher, const LaunchPlan& plan, const Message& message, SourceSet& sources) {
  const bool mapped = (plan.namespaces & CLONE_NEWUSER) != 0;
  Gate gate;
  if (mapped) CLOISTER_TRY(MakeGate(gate));
  struct clone_args args = {};
  args.flags = CloneFlags(plan.namespaces);
  if (plan.cgroup != kNoFd) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(message.fd(plan.cgroup));
  }
  args.exit_signal = SIGCHLD;
  const long pid = CloneOwnedBy(RootOutside(plan.uid_map), &args);
  if (pid < 0) return LastError("clone3(2)", "namespaces");
  if (pid == 0) {
    if (mapped && !PassGate(gate)) _exit(1);
    RunInit({plan, message, sources, launcher.status_fd, false});
  }
  if (!mapped) return Result<pid_t>(static_cast<pid_t>(pid));
  Status maps = WriteIdMaps(launcher.proc_fd, static_cast<pid_t>(pid), plan.uid_map, plan.gid_map);
  if (maps.ok() && write(gate.open.get(), "", 1) != 1) maps = LastError("write(2)", "gate");
  if (!maps.ok()) {
    kill(static_cast<pid_t>(pid), SIGKILL);
    waitpid(static_cast<pid_t>(pid), nullptr, 0);
    return maps.error();
  }
  return Result<pid_t>(static_cast<pid_t>(pid));
}

Result<pid_t> Start(Launcher& launcher, const LaunchPlan& plan, const Message& message, Stage& stage) {
  stage = Stage::kNamespace;
  int id_map = -1;
  if ((plan.namespaces & CLONE_NEWUSER) != 0) {
    CLOISTER_ASSIGN(fd, launcher.id_maps.Get(launcher.proc_fd, plan.uid_map, plan.gid_map));
    id_map = fd;
  }
  stage = Stage::kSource;
  SourceSet sources;
  CLOISTER_TRY(SourceBuilder(plan, message, id_map, launcher.devices).Build(sources));
  if (plan.writable != kNoFd) {
    CLOISTER_TRY(SendFd(message.fd(plan.control), sources.mounts[plan.writable].get()));
  }
  CLOISTER_ASSIGN(spare, launcher.spare.Use(launcher.proc_fd, plan, message, sources));
  launcher.spare.Expect(plan);
  if (spare > 0) return Result<pid_t>(static_cast<pid_t&&>(spare));
  if (plan.lock_mounts) {
    const Status locked = LockMounts(plan, sources);
    if (!locked.ok()) {
      UnlockMounts(plan, sources);
      return locked.error();
    }
  }
  stage = Stage::kClone;
  Result<pid_t> pid = CloneInit(launcher, plan, message, sources);
  if (plan.lock_mounts) UnlockMounts(plan, sources);
  return pid;
}

// No init whose end could be told later: the records say both at once.
Launched Refuse(const Launcher& launcher, uint32_t sandbox, Stage stage, const Error& error) {
  WriteError(launcher.status_fd, RecordType::kBroken, sandbox, 0, stage, error);
  Record gone;
  gone.type = static_cast<uint16_t>(RecordType::kGone);
  gone.sandbox = sandbox;
  WriteRecord(launcher.status_fd, gone);
  return {};
}

}  // namespace

Launched Launch(Launcher& launcher, const Message& message, Arena& arena) {
  Result<LaunchPlan> decoded = DecodeLaunchPlan(message.body, message.size, arena);
  if (!decoded.ok()) return Refuse(launcher, PlanId(message.body, message.size), Stage::kProtocol, decoded.error());
  const LaunchPlan& plan = decoded.value();
  Stage stage = Stage::kNone;
  Result<pid_t> pid = Start(launcher, plan, message, stage);
  if (!pid.ok()) return Refuse(launcher, plan.id, stage, pid.error());
  return {plan.id, pid.value()};
}

}  // namespace cloister
