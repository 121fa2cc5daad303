#include "program.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../kernel/syscalls.h"
#include "accounts.h"
#include "borrowed_stack.h"

namespace cloister {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int kLastCapability = 63;  // PR_CAPBSET_DROP refuses those the kernel does not know, capabilities(7)

// The child shares init's memory (CLONE_VM) and runs on this stack while init waits for its execve(2) (CLONE_VFORK):
// no page tables are copied, and a failure needs no pipe. Init runs one at a time.
alignas(16) char child_stack[96 * 1024];

struct Child {
  const ProgramContext& context;
  ProgramFailure& failure;
  Account account;
  BorrowedStack stack;
};

Status EnterCgroup(const ProgramContext& context) {
  CLOISTER_TRY(JoinCgroups(context.plan.cgroup_files, context.message));
  if ((context.sandbox.namespaces & CLONE_NEWCGROUP) == 0) return {};
  // The command sees its own cgroup as the root, cgroup_namespaces(7).
  return unshare(CLONE_NEWCGROUP) == 0 ? Status() : LastError("unshare(2)", "CLONE_NEWCGROUP");
}

Status ConnectStdio(const ProgramContext& context, uint32_t uid) {
  setsid();
  if (context.terminal >= 0) {
    if (fchown(context.terminal, uid, static_cast<gid_t>(-1)) != 0) return LastError("chown(2)", "terminal");
    if (ioctl(context.terminal, TIOCSCTTY, 0) != 0) return LastError("ioctl(2) TIOCSCTTY", "terminal");
  }
  for (int i = 0; i < 3; i++) {
    int fd = context.terminal;
    if (fd < 0 && context.plan.stdio[i] != kNoFd) {
      fd = context.message.fd(context.plan.stdio[i]);
      if (fd < 0) return Error("launch plan", EBADF, "stdio");
    }
    if (fd < 0) continue;  // init's own 0, 1 and 2 are /dev/null
    if (dup2(fd, i) < 0) return LastError("dup2(2)", "stdio");
  }
  return {};
}

Status SetRlimits(const CommandPlan& plan) {
  for (const Rlimit& limit : plan.rlimits) {
    rlimit value = {};
    value.rlim_cur = limit.soft;
    value.rlim_max = limit.hard;
    if (syscall(SYS_prlimit64, 0, limit.resource, &value, nullptr) != 0) {
      char name[32];
      snprintf(name, sizeof name, "%u", limit.resource);
      return LastError("prlimit(2)", name);
    }
  }
  return {};
}

Status InstallSeccomp(const ProgramContext& context) {
  const LaunchPlan& sandbox = context.sandbox;
  if (sandbox.seccomp.size == 0) return {};
  sock_fprog program = {};
  program.len = static_cast<unsigned short>(sandbox.seccomp.size / sizeof(sock_filter));
  program.filter = reinterpret_cast<sock_filter*>(const_cast<uint8_t*>(sandbox.seccomp.data));
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, sandbox.seccomp_flags, &program) != 0) {
    return LastError("seccomp(2)", "filter");
  }
  return {};
}

Status DropBoundingSet(uint64_t keep) {
  for (int capability = 0; capability <= kLastCapability; capability++) {
    if ((keep >> capability & 1) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno == EINVAL) break;
      return LastError("prctl(2)", "PR_CAPBSET_DROP");
    }
  }
  return {};
}

Status SwitchUser(const Account& account) {
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return LastError("prctl(2)", "PR_SET_KEEPCAPS");
  // Raw calls: the C library's versions signal all threads of the process, and init's memory is shared here.
  if (syscall(SYS_setgroups, account.group_count, account.groups) != 0) return LastError("setgroups(2)");
  if (syscall(SYS_setresgid, account.gid, account.gid, account.gid) != 0) return LastError("setresgid(2)");
  if (syscall(SYS_setresuid, account.uid, account.uid, account.uid) != 0) return LastError("setresuid(2)");
  return {};
}

Status SetCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header = {};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; half++) {
    data[half].effective = static_cast<uint32_t>(sets.effective >> (32 * half));
    data[half].permitted = static_cast<uint32_t>(sets.permitted >> (32 * half));
    data[half].inheritable = static_cast<uint32_t>(sets.inheritable >> (32 * half));
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (syscall(SYS_capset, &header, data) != 0) return LastError("capset(2)");
  for (int capability = 0; capability <= kLastCapability; capability++) {
    if ((sets.ambient >> capability & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return LastError("prctl(2)", "ambient");
  }
  return {};
}

const char* Variable(const CommandPlan& plan, const char* name) {
  const size_t length = strlen(name);
  for (const char* entry : plan.env) {
    if (strncmp(entry, name, length) == 0 && entry[length] == '=') return entry + length + 1;
  }
  return nullptr;
}

// execvp(3) without its fallback to a shell: what is not executable is an error here.
Status Execute(const CommandPlan& plan) {
  const char* program = plan.argv[0];
  char** argv = const_cast<char**>(plan.argv.data);
  char** env = const_cast<char**>(plan.env.data);
  if (strchr(program, '/') != nullptr) {
    execve(program, argv, env);
    return LastError("execve(2)", program);
  }
  const char* path = Variable(plan, "PATH");
  if (path == nullptr) path = kDefaultPath;
  int found = ENOENT;
  while (*path != '\0') {
    const size_t length = strcspn(path, ":");
    char candidate[4096];
    const int n = snprintf(candidate, sizeof candidate, "%.*s/%s", static_cast<int>(length), path, program);
    if (length > 0 && n > 0 && static_cast<size_t>(n) < sizeof candidate) {
      execve(candidate, argv, env);
      // A script whose interpreter is missing also says ENOENT, execve(2): the file itself is there, then.
      if (errno == ENOENT && faccessat(AT_FDCWD, candidate, F_OK, 0) == 0)
        return Error("execve(2)", ENOEXEC, candidate);
      if (errno != ENOENT && errno != ENOTDIR) found = errno;
    }
    path += length + (path[length] == ':' ? 1 : 0);
  }
  return Error("execve(2)", found, program);
}

// An image is made for any map of ids: of the groups that go with its user's number, those that this sandbox lacks stay out, as all
// of them would fail with one, setgroups(2) EINVAL.
void LeaveOutUnmapped(Account& account) {
  if (syscall(SYS_setgroups, account.group_count, account.groups) == 0 || errno != EINVAL) return;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < account.group_count; i++) {
    if (syscall(SYS_setgroups, 1, &account.groups[i]) == 0) account.groups[kept++] = account.groups[i];
  }
  account.group_count = kept;
}

Status FindAccount(Child& child) {
  const CommandPlan& plan = child.context.plan;
  Account& account = child.account;
  account.uid = plan.uid;
  account.gid = plan.gid;
  account.group_count = 0;
  for (const uint32_t gid : plan.groups) {
    if (account.group_count < kMaxGroups) account.groups[account.group_count++] = gid;
  }
  if (plan.user[0] != '\0' || plan.group[0] != '\0') {
    CLOISTER_TRY(LookUpAccount(plan.user, plan.group, account));
    if (IsId(plan.user)) LeaveOutUnmapped(account);
  } else if (plan.find_home) {
    LookUpHome(account.uid, account);
  }
  return {};
}

void SetHome(Child& child) {
  static char home[300];  // one start at a time, and execve(2) copies it
  const CommandPlan& plan = child.context.plan;
  if (!plan.find_home || Variable(plan, "HOME") != nullptr) return;
  snprintf(home, sizeof home, "HOME=%s", child.account.home);
  plan.env.data[plan.env.size] = home;
}

void ResetSignals() {
  signal(SIGPIPE, SIG_DFL);  // the launcher ignores it, and what is ignored stays so across execve(2)
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// A filter may refuse exit_group(2), too, for which _exit(3) would ask for ever while init waits.
[[noreturn]] void Leave() {
  syscall(SYS_exit_group, 127);
  __builtin_trap();
}

int RunChild(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  child.stack.Arrive();
  const ProgramContext& context = child.context;
  const CommandPlan& plan = context.plan;
  const bool early_filter = !plan.no_new_privileges;  // without it a filter needs CAP_SYS_ADMIN, seccomp(2)
  const auto step = [&](Stage stage, const Status& status) {
    if (status.ok()) return;
    child.failure.stage = stage;
    child.failure.error = status.error();
    Leave();
  };
  step(Stage::kCgroup, EnterCgroup(context));
  step(Stage::kUser, FindAccount(child));
  SetHome(child);
  step(Stage::kTerminal, ConnectStdio(context, child.account.uid));
  step(Stage::kRlimit, SetRlimits(plan));
  umask(plan.umask);
  if (sys::CloseRange(3, ~0U, 0) != 0) step(Stage::kPrivileges, LastError("close_range(2)"));
  step(Stage::kPrivileges, DropBoundingSet(plan.capabilities.bounding));
  if (early_filter) step(Stage::kSeccomp, InstallSeccomp(context));
  step(Stage::kUser, SwitchUser(child.account));
  // The memory is init's, and where fs.suid_dumpable is 1 the change of user has opened it to that user, prctl(2).
  prctl(PR_SET_DUMPABLE, 0);
  // As the user, and after pivot_root: no path of the host can be meant (CVE-2024-21626).
  if (chdir(plan.cwd) != 0) step(Stage::kCwd, LastError("chdir(2)", plan.cwd));
  step(Stage::kPrivileges, SetCapabilities(plan.capabilities));
  ResetSignals();
  // From here on execve(2) is all that a filter must allow, unless it is early.
  if (!early_filter) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
      step(Stage::kPrivileges, LastError("prctl(2)", "PR_SET_NO_NEW_PRIVS"));
    step(Stage::kSeccomp, InstallSeccomp(context));
  }
  step(Stage::kExec, Execute(plan));
  Leave();
}

}  // namespace

Status JoinCgroups(const Array<uint32_t>& files, const Message& message) {
  for (const uint32_t index : files) {
    if (write(message.fd(index), "0", 1) != 1) return LastError("write(2)", "cgroup");
  }
  return {};
}

pid_t StartProgram(const ProgramContext& context, ProgramFailure& failure) {
  Child child = {context, failure, {}, {}};
  struct clone_args args = {};
  args.flags = CLONE_VM | CLONE_VFORK;
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(child_stack);
  args.stack_size = sizeof child_stack;
  if (context.plan.cgroup != kNoFd) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(context.message.fd(context.plan.cgroup));
  }
  child.stack.Lend(child_stack, sizeof child_stack);
  const pid_t pid = sys::CloneOnStack(&args, RunChild, &child);
  const int code = errno;
  child.stack.Return();
  if (pid < 0) {
    failure = {Stage::kCgroup, Error("clone3(2)", code, "command")};
    return -1;
  }
  if (failure.stage == Stage::kNone) return pid;
  waitpid(pid, nullptr, 0);
  return -1;
}

}  // namespace cloister
