#include "init.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kernel/status.h"
#include "../kernel/syscalls.h"
#include "commands.h"
#include "filesystem.h"
#include "init_filter.h"
#include "netlink_limit.h"
#include "oom_score.h"
#include "program.h"

namespace cloister {
namespace {

[[noreturn]] void Die(const InitContext& context, Stage stage, const Error& error) {
  WriteError(context.status_fd, RecordType::kBroken, context.plan.id, 0, stage, error);
  _exit(1);
}

// Root of the new user namespace. Changing ids clears the parent-death signal, so that comes last, prctl(2).
Status BecomeRoot() {
  // The saved group stays one that is not mapped: prlimit(2) changes the limits of a process whose ids are all the caller's own, and
  // these nobody inside can have. Commands set all three.
  if (syscall(SYS_setresgid, 0, 0, -1) != 0) return LastError("setresgid(2)");
  if (syscall(SYS_setgroups, 0, nullptr) != 0) return LastError("setgroups(2)");
  if (syscall(SYS_setresuid, 0, 0, 0) != 0) return LastError("setresuid(2)");
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return LastError("prctl(2)", "PR_SET_DUMPABLE");
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return LastError("prctl(2)", "PR_SET_PDEATHSIG");
  return {};
}

Status SetHostname(const LaunchPlan& plan) {
  if ((plan.namespaces & CLONE_NEWUTS) == 0) return {};
  if (sethostname(plan.hostname, strlen(plan.hostname)) != 0) return LastError("sethostname(2)", plan.hostname);
  if (syscall(SYS_setdomainname, plan.domainname, strlen(plan.domainname)) != 0) {
    return LastError("setdomainname(2)", plan.domainname);
  }
  return {};
}

// Offsets can be written only before a process lives in the namespace, time_namespaces(7), and only by a process whose
// /proc entries belong to it: nothing else runs in here yet, so being dumpable for a moment is safe.
Status ShiftClocks(const TimeOffsets& offsets) {
  if (!offsets.present) return {};
  if (unshare(static_cast<int>(sys::kCloneNewTime)) != 0) return LastError("unshare(2)", "CLONE_NEWTIME");
  prctl(PR_SET_DUMPABLE, 1);
  const UniqueFd file(open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC));
  const Error no_file = LastError("open(2)", "timens_offsets");
  prctl(PR_SET_DUMPABLE, 0);
  if (!file.valid()) return no_file;
  constexpr int64_t kSecond = 1000000000;
  char text[128];
  const auto floor_div = [](int64_t a) { return a / kSecond - (a % kSecond < 0 ? 1 : 0); };
  const int64_t mono = floor_div(offsets.monotonic_ns), boot = floor_div(offsets.boottime_ns);
  const int n = snprintf(text, sizeof text, "monotonic %lld %lld\nboottime %lld %lld\n", static_cast<long long>(mono),
                         static_cast<long long>(offsets.monotonic_ns - mono * kSecond), static_cast<long long>(boot),
                         static_cast<long long>(offsets.boottime_ns - boot * kSecond));
  if (write(file.get(), text, static_cast<size_t>(n)) != n) return LastError("write(2)", "timens_offsets");
  const UniqueFd space(open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC));
  if (!space.valid()) return LastError("open(2)", "time_for_children");
  if (setns(space.get(), static_cast<int>(sys::kCloneNewTime)) != 0) return LastError("setns(2)", "time namespace");
  return {};
}

// What else the launcher has open is not this sandbox's.
void KeepOnly(const InitContext& context) {
  int keep[kMaxFds + kMaxSources + 1];
  unsigned count = 0;
  keep[count++] = context.status_fd;
  for (uint32_t i = 0; i < context.message.fd_count; i++) keep[count++] = context.message.fds[i].get();
  for (uint32_t i = 0; i < context.plan.sources.size; i++) {
    if (context.sources.mounts[i].valid()) keep[count++] = context.sources.mounts[i].get();
  }
  CloseOthers(keep, count);
}

// A keyring of its own: the session keyring of whoever started the application stays out of reach, keyrings(7).
void LeaveSessionKeyring() { syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr); }

// What a command gets that was given no stream: the sandbox's own null device, not the host's.
Status ConnectNull(const UniqueFd& null) {
  for (int fd = 0; fd < 3; fd++) {
    if (dup2(null.get(), fd) < 0) return LastError("dup2(2)", "/dev/null");
  }
  return {};
}

int SetUp(const InitContext& context) {
  const auto check = [&](Stage stage, const Status& status) {
    if (!status.ok()) Die(context, stage, status.error());
  };
  setsid();
  check(Stage::kCgroup, JoinCgroups(context.plan.cgroup_files, context.message));
  if ((context.plan.namespaces & CLONE_NEWUSER) != 0) check(Stage::kNamespace, BecomeRoot());
  LeaveSessionKeyring();
  check(Stage::kNamespace, SetHostname(context.plan));
  if (context.plan.loopback && !context.loopback_is_up) check(Stage::kNamespace, RaiseLoopback());
  Filesystem filesystem(context.plan, context.sources);
  check(Stage::kMount, filesystem.Assemble());
  check(Stage::kNamespace, ShiftClocks(context.plan.time_offsets));
  check(Stage::kSysctl, filesystem.WriteSysctls());
  check(Stage::kMount, filesystem.Protect());
  check(Stage::kMount, filesystem.Enter());
  check(Stage::kMount, ConnectNull(filesystem.null()));
  for (UniqueFd& mount : context.sources.mounts) mount.reset();
  return filesystem.TakeDevpts();
}

int WatchChildren(const InitContext& context) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  const int fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) Die(context, Stage::kNamespace, LastError("signalfd(2)"));
  return fd;
}

// False when the application is gone or has had enough.
bool Serve(int control, Commands& commands) {
  Arena arena;
  Message message;
  const Status got = ReceiveMessage(control, message, arena);
  if (!got.ok()) return false;
  switch (message.type) {
    case MessageType::kExec: {
      Result<CommandPlan> plan = DecodeCommandPlan(message.body, message.size, arena);
      if (plan.ok()) commands.Start(plan.value(), message);
      return plan.ok();
    }
    case MessageType::kSignal: {
      Reader in(message.body, message.size, arena);
      const uint32_t id = in.U32();
      const int32_t signal_number = in.I32();
      if (in.ok()) commands.Signal(id, signal_number);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

void CloseOthers(const int* keep, unsigned count) {
  // In ascending gaps between those that stay.
  unsigned first = 3;
  for (;;) {
    int next = -1;
    for (unsigned i = 0; i < count; i++) {
      if (keep[i] >= static_cast<int>(first) && (next < 0 || keep[i] < next)) next = keep[i];
    }
    if (next < 0) break;
    if (static_cast<unsigned>(next) > first) sys::CloseRange(first, static_cast<unsigned>(next) - 1, 0);
    first = static_cast<unsigned>(next) + 1;
  }
  sys::CloseRange(first, ~0U, 0);
}

Status RaiseLoopback() {
  const UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) return LastError("socket(2)", "loopback");
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) return LastError("ioctl(2) SIOCSIFFLAGS", "lo");
  return {};
}

void RunInit(const InitContext& context) {
  prctl(PR_SET_NAME, "cloister-init");
  KeepOnly(context);
  OomScore oom_score;
  oom_score.Open();
  const int children = WatchChildren(context);
  const int devpts = SetUp(context);
  const int control = context.message.fd(context.plan.control);
  if (control < 0) Die(context, Stage::kProtocol, Error("launch plan", EBADF, "control socket"));
  NetlinkLimit netlink;
  if (context.plan.seccomp.size != 0) {
    Result<UniqueFd> listener = InstallInitFilter();
    if (!listener.ok()) Die(context, Stage::kSeccomp, listener.error());
    netlink.Watch(static_cast<UniqueFd&&>(listener.value()), (context.plan.namespaces & CLONE_NEWNET) == 0);
  }
  Commands commands(context.plan, {context.status_fd, control, devpts}, oom_score);
  if (!context.plan.has_command) {
    Record ready;
    ready.type = static_cast<uint16_t>(RecordType::kReady);
    ready.sandbox = context.plan.id;
    WriteRecord(context.status_fd, ready);
  } else if (!commands.Start(context.plan.command, context.message)) {
    _exit(0);
  }
  // Whatever the first command was given is its own now; holding it would keep its pipes from ending.
  for (uint32_t i = 0; i < context.message.fd_count; i++) {
    if (i != context.plan.control) const_cast<Message&>(context.message).fds[i].reset();
  }
  for (;;) {
    pollfd events[3] = {{control, POLLIN, 0}, {children, POLLIN, 0}, {netlink.fd(), POLLIN, 0}};
    if (poll(events, 3, -1) < 0 && errno != EINTR) break;
    if (events[1].revents != 0) {
      signalfd_siginfo ignored;
      while (read(children, &ignored, sizeof ignored) > 0) {
      }
      if (!commands.Reap()) break;
    }
    if (events[0].revents != 0 && !Serve(control, commands)) break;
    if (events[2].revents != 0) netlink.Answer();
  }
  // The end of PID 1 is the end of everything in its namespace, pid_namespaces(7).
  _exit(0);
}

}  // namespace cloister
