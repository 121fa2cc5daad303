#include "spare.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../kernel/host_calls.h"
#include "clone.h"
#include "id_maps.h"
#include "init.h"

namespace cloister {
namespace {

bool IsPlain(const LaunchPlan& plan) {
  return plan.cgroup == kNoFd && !plan.lock_mounts && (plan.namespaces & CLONE_NEWUSER) != 0;
}

// The mounts follow in a message of their own, with the sources that they belong to.
Status SendSources(int socket, const LaunchPlan& plan, const SourceSet& sources) {
  uint32_t indices[kMaxSources];
  int fds[kMaxSources];
  uint32_t count = 0;
  for (uint32_t i = 0; i < plan.sources.size; i++) {
    if (!sources.mounts[i].valid()) continue;
    indices[count] = i;
    fds[count++] = sources.mounts[i].get();
  }
  const auto* body = reinterpret_cast<const uint8_t*>(indices);
  return SendMessage(socket, MessageType::kLaunch, body, static_cast<uint32_t>(count * sizeof indices[0]), fds, count);
}

bool ReceiveSources(int socket, SourceSet& sources) {
  Message message;
  Arena arena;
  if (!ReceiveMessage(socket, message, arena).ok()) return false;
  Reader in(message.body, message.size, arena);
  for (uint32_t i = 0; i < message.fd_count; i++) {
    const uint32_t index = in.U32();
    if (!in.ok() || index >= kMaxSources) return false;
    sources.mounts[index] = static_cast<UniqueFd&&>(message.fds[i]);
  }
  return true;
}

[[noreturn]] void RunSpare(int socket, int status_fd, bool network) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int keep[] = {status_fd, socket};
  CloseOthers(keep, 2);
  const bool loopback = network && RaiseLoopback().ok();
  Message message;
  Arena arena;
  SourceSet sources;
  if (!ReceiveMessage(socket, message, arena).ok() || !ReceiveSources(socket, sources)) _exit(0);
  Result<LaunchPlan> plan = DecodeLaunchPlan(message.body, message.size, arena);
  if (!plan.ok()) _exit(1);
  RunInit({plan.value(), message, sources, status_fd, loopback});
}

}  // namespace

void Spare::Expect(const LaunchPlan& plan) {
  if (!IsPlain(plan) || plan.next_root == 0) return;
  expected_ = plan.namespaces;
  expected_root_ = plan.next_root;
}

void Spare::Prepare(int status_fd) {
  if (expected_ == 0 || (ready() && namespaces_ == expected_ && root_ == expected_root_)) return;
  const uint64_t wanted = expected_;
  Drop();
  Result<FdPair> pair = SocketPair();
  if (!pair.ok()) return;
  struct clone_args args = {};
  args.flags = CloneFlags(wanted);
  args.exit_signal = SIGCHLD;
  const long pid = CloneOwnedBy(expected_root_, &args);
  if (pid < 0) return;
  if (pid == 0) RunSpare(pair.value().second.get(), status_fd, (wanted & CLONE_NEWNET) != 0);
  pid_ = static_cast<pid_t>(pid);
  expected_ = namespaces_ = wanted;
  root_ = expected_root_;
  socket_ = static_cast<UniqueFd&&>(pair.value().first);
}

Result<pid_t> Spare::Use(int proc_fd, const LaunchPlan& plan, const Message& message, const SourceSet& sources) {
  const bool fits = ready() && IsPlain(plan) && namespaces_ == plan.namespaces && root_ == RootOutside(plan.uid_map);
  if (!fits) return Result<pid_t>(pid_t{0});
  int fds[kMaxFds];
  for (uint32_t i = 0; i < message.fd_count; i++) fds[i] = message.fds[i].get();
  Status status = WriteIdMaps(proc_fd, pid_, plan.uid_map, plan.gid_map);
  if (status.ok()) status = SendMessage(socket_.get(), message.type, message.body, message.size, fds, message.fd_count);
  if (status.ok()) status = SendSources(socket_.get(), plan, sources);
  if (!status.ok()) {
    // Killed for memory, perhaps: what is wrong with this start, if anything, an init of its own will say.
    Drop();
    return Result<pid_t>(pid_t{0});
  }
  socket_.reset();
  pid_t pid = pid_;
  pid_ = 0;
  return Result<pid_t>(static_cast<pid_t&&>(pid));
}

void Spare::Forget(pid_t pid) {
  if (pid != pid_) return;
  pid_ = 0;
  socket_.reset();
}

void Spare::Drop() {
  expected_ = 0;
  if (!ready()) return;
  kill(pid_, SIGKILL);
  pid_ = 0;
  socket_.reset();
}

}  // namespace cloister
