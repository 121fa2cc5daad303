#include "commands.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "../kernel/terminal.h"
#include "program.h"

namespace cloister {
namespace {

uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000U + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t Micros(const timeval& t) {
  return static_cast<uint64_t>(t.tv_sec) * 1000000U + static_cast<uint64_t>(t.tv_usec);
}

}  // namespace

bool Commands::Start(const CommandPlan& plan, const Message& message) {
  const auto fail = [&](Stage stage, const Error& error) {
    WriteError(channels_.status_fd, RecordType::kFailed, sandbox_.id, plan.id, stage, error);
    return false;
  };
  Terminal terminal;
  if (plan.tty) {
    const Status opened = OpenTerminal(channels_.devpts_fd, plan.columns, plan.rows, terminal);
    if (!opened.ok()) return fail(Stage::kTerminal, opened.error());
  }
  auto* command = static_cast<Running*>(malloc(sizeof(Running)));
  if (command == nullptr) return fail(Stage::kExec, Error("malloc(3)", ENOMEM));
  const uint64_t started = NowNs();
  ProgramFailure failure;
  const pid_t pid = [&] {
    const OomScore::Raised raised(oom_score_);
    return StartProgram({sandbox_, plan, message, terminal.slave.get()}, failure);
  }();
  if (pid < 0) {
    free(command);
    return fail(failure.stage, failure.error);
  }
  *command = {plan.id, pid, plan.kill_rest, started, running_};
  running_ = command;
  if (plan.tty && SendFd(channels_.control_fd, terminal.master.get()).ok()) {
    Record record;
    record.type = static_cast<uint16_t>(RecordType::kTerminal);
    record.sandbox = sandbox_.id;
    record.command = plan.id;
    WriteRecord(channels_.status_fd, record);
  }
  ReportStart(*command);
  return true;
}

void Commands::Signal(uint32_t id, int signal_number) {
  for (const Running* command = running_; command != nullptr; command = command->next) {
    if (command->id == id) kill(command->pid, signal_number);
  }
}

bool Commands::Reap() {
  for (;;) {
    int status;
    rusage usage;
    const pid_t pid = wait4(-1, &status, WNOHANG, &usage);
    if (pid <= 0) return true;
    for (Running** link = &running_; *link != nullptr; link = &(*link)->next) {
      if ((*link)->pid != pid) continue;
      Running* command = *link;
      *link = command->next;
      const bool last = command->kill_rest;
      const uint32_t rest = last ? KillRest() : 0;
      ReportEnd(*command, status, usage, rest);
      free(command);
      if (last) return false;
      break;
    }
  }
}

// New processes may be born while the signals go out; they are killed in the next round, until none is left.
uint32_t Commands::KillRest() {
  bool has_asked = false;  // what was dead before is not counted
  for (uint32_t killed = 0;;) {
    pid_t pid = waitpid(-1, nullptr, WNOHANG);
    if (pid == 0) {
      kill(-1, SIGKILL);
      has_asked = true;
      pid = waitpid(-1, nullptr, 0);
    }
    if (pid < 0 && errno == ECHILD) return killed;
    if (pid > 0 && has_asked) killed++;
  }
}

void Commands::ReportStart(const Running& command) {
  Record record;
  record.type = static_cast<uint16_t>(RecordType::kStarted);
  record.sandbox = sandbox_.id;
  record.command = command.id;
  record.value = command.pid;
  record.started_ns = command.started_ns;
  rusage own;
  getrusage(RUSAGE_SELF, &own);
  record.user_us = Micros(own.ru_utime);
  record.system_us = Micros(own.ru_stime);
  WriteRecord(channels_.status_fd, record);
}

void Commands::ReportEnd(const Running& command, int status, const rusage& usage, uint32_t rest) {
  Record record;
  record.rest = rest;
  record.type = static_cast<uint16_t>(RecordType::kExited);
  record.sandbox = sandbox_.id;
  record.command = command.id;
  record.value = status;
  record.started_ns = command.started_ns;
  record.ended_ns = NowNs();
  record.user_us = Micros(usage.ru_utime);
  record.system_us = Micros(usage.ru_stime);
  record.max_rss_kib = static_cast<uint32_t>(usage.ru_maxrss);
  WriteRecord(channels_.status_fd, record);
}

}  // namespace cloister
