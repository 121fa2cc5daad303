// cloister-launcher: forks sandboxes from itself for one application and ends with it.
// Descriptor 3 is the control socket, 4 the status pipe; it is never started by hand.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kernel/message.h"
#include "../kernel/status.h"
#include "../kernel/syscalls.h"
#include "adopted.h"
#include "home.h"
#include "launch.h"

namespace cloister {
namespace {

constexpr int kControlFd = 3;
constexpr int kStatusFd = 4;
constexpr int kSpareIdleMs = 10000;  // after which an application at rest keeps no init in reserve

struct Sandbox {
  Launched launched;
  Sandbox* next;
};

class Loop {
 public:
  explicit Loop(Launcher& launcher) : launcher_(launcher) {}

  int Run(int children) {
    for (;;) {
      // Of the status pipe only POLLERR is wanted: nobody reads it any more, pipe(7).
      pollfd events[3] = {{kControlFd, POLLIN, 0}, {children, POLLIN, 0}, {kStatusFd, 0, 0}};
      const int ready = Wait(events, 3);
      if (ready < 0 && errno != EINTR) return 1;
      if (events[1].revents != 0) {
        signalfd_siginfo ignored;
        while (read(children, &ignored, sizeof ignored) > 0) {
        }
        Reap();
      }
      // A thread of the application that ended without a word leaves the socket open until the process ends.
      if (events[2].revents != 0) break;
      if (events[0].revents != 0 && !Serve()) break;
    }
    EndAll();
    return 0;
  }

 private:
  // Prepares for the next start while nothing else is to be done.
  int Wait(pollfd* events, nfds_t count) {
    const int ready = poll(events, count, 0);
    if (ready != 0) return ready;
    launcher_.spare.Prepare(kStatusFd);
    launcher_.devices.Prepare();
    for (;;) {
      const bool has_spares = launcher_.spare.ready() || launcher_.devices.ready();
      const int later = poll(events, count, has_spares ? kSpareIdleMs : -1);
      if (later != 0) return later;
      launcher_.spare.Drop();
      launcher_.devices.Drop();
    }
  }

  bool Serve() {
    Arena arena;
    Message message;
    const Status got = ReceiveMessage(kControlFd, message, arena);
    if (!got.ok()) return got.error().code != 0;
    switch (message.type) {
      case MessageType::kLaunch:
        Add(Launch(launcher_, message, arena));
        return true;
      case MessageType::kKill: {
        Reader in(message.body, message.size, arena);
        Kill(in.U32());
        return true;
      }
      case MessageType::kAdopt:
        adopted_.Add(message, arena);
        return true;
      default:
        return true;
    }
  }

  void Add(const Launched& launched) {
    if (launched.pid < 0) return;
    auto* sandbox = static_cast<Sandbox*>(malloc(sizeof(Sandbox)));
    if (sandbox == nullptr) abort();  // an init that nobody reaps must not stay behind
    *sandbox = {launched, sandboxes_};
    sandboxes_ = sandbox;
  }

  void Kill(uint32_t id) {
    for (const Sandbox* s = sandboxes_; s != nullptr; s = s->next) {
      if (s->launched.sandbox == id) kill(s->launched.pid, SIGKILL);
    }
  }

  void Reap() {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      launcher_.spare.Forget(pid);
      for (Sandbox** link = &sandboxes_; *link != nullptr; link = &(*link)->next) {
        if ((*link)->launched.pid != pid) continue;
        Sandbox* gone = *link;
        *link = gone->next;
        Record record;
        record.type = static_cast<uint16_t>(RecordType::kGone);
        record.sandbox = gone->launched.sandbox;
        record.value = status;
        WriteRecord(kStatusFd, record);
        free(gone);
        break;
      }
    }
  }

  // The application is gone: so is everything it started, and the cgroups that stood for it.
  void EndAll() {
    launcher_.spare.Drop();
    while (sandboxes_ != nullptr) {
      Sandbox* gone = sandboxes_;
      sandboxes_ = gone->next;
      kill(gone->launched.pid, SIGKILL);
      free(gone);
    }
    adopted_.ThawAll();
    while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    adopted_.RemoveAll();
  }

  Launcher& launcher_;
  Sandbox* sandboxes_ = nullptr;
  AdoptedCgroups adopted_;
};

[[noreturn]] void Die(const char* what, const Error& error) {
  fprintf(stderr, "cloister-launcher: %s: %s %s: %s\n", what, error.call, error.subject, strerror(error.code));
  WriteError(kStatusFd, RecordType::kBroken, 0, 0, Stage::kNamespace, error);
  _exit(1);
}

// Node ignores SIGPIPE and may block others; neither may reach the programs started from here.
int TakeSignals() {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  // The write end fails with EPIPE instead: an application that is gone is noticed by its socket.
  signal(SIGPIPE, SIG_IGN);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigaddset(&children, SIGINT);
  sigaddset(&children, SIGTERM);
  sigaddset(&children, SIGHUP);
  // A Ctrl-C in the terminal reaches the application, which decides; the launcher goes when it goes.
  sigprocmask(SIG_SETMASK, &children, nullptr);
  sigdelset(&children, SIGINT);
  sigdelset(&children, SIGTERM);
  sigdelset(&children, SIGHUP);
  return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

// What favours the application is not to favour what it does not trust: sandboxes inherit from here.
void DropFavours() {
  const int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  char text[8] = "";
  // A program whose score starts below zero could take it back there, proc_pid_oom_score_adj(5).
  if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && text[0] == '-' && pwrite(fd, "0", 1, 0) != 1) text[0] = '\0';
  if (fd >= 0) close(fd);
  // Raw: musl refuses to wrap these two, sched(7).
  const long policy = syscall(SYS_sched_getscheduler, 0);
  const sched_param normal = {};
  const bool is_real_time = policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE;
  if (is_real_time) syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &normal);
  if (getpriority(PRIO_PROCESS, 0) < 0) setpriority(PRIO_PROCESS, 0, 0);
}

void CloseInherited() {
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 2; fd++) dup2(null, fd);
  if (null > 2) close(null);
  sys::CloseRange(kStatusFd + 1, ~0U, 0);
  fcntl(kControlFd, F_SETFD, FD_CLOEXEC);
  fcntl(kStatusFd, F_SETFD, FD_CLOEXEC);
}

int Main() {
  CloseInherited();
  DropFavours();
  // Nobody but the host's root may look into this process or the inits forked from it, ptrace(2).
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, "cloister");
  umask(022);
  setsid();
  const int children = TakeSignals();
  if (children < 0) Die("signals", LastError("signalfd(2)"));
  const Status entered = EnterHome();
  if (!entered.ok()) Die("private mount namespace", entered.error());
  Launcher launcher = {kControlFd, kStatusFd, open(home::kProc, O_RDONLY | O_DIRECTORY | O_CLOEXEC), {}, {}, {}};
  if (launcher.proc_fd < 0) Die("procfs", LastError("open(2)", home::kProc));
  dup2(STDIN_FILENO, STDERR_FILENO);  // the application's own error stream ends here
  return Loop(launcher).Run(children);
}

}  // namespace
}  // namespace cloister

int main() { return cloister::Main(); }
