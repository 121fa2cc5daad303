// Programs, started as init starts them.
#include "../../addon/launcher/program.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../../addon/launcher/commands.h"
#include "support.h"

using cloister::Channels;
using cloister::CommandPlan;
using cloister::Commands;
using cloister::kNoFd;
using cloister::LaunchPlan;
using cloister::Message;
using cloister::OomScore;
using cloister::ProgramFailure;
using cloister::Record;
using cloister::RecordType;
using cloister::Rlimit;
using cloister::Stage;
using cloister::Status;
using cloister::UniqueFd;
using cloister::test::AsInit;
using cloister::test::InChild;
using cloister::test::ScratchDirectory;
using cloister::test::WriteFile;

namespace {

// A plan with the memory that it points to.
struct Program {
  std::vector<const char*> argv;
  std::vector<const char*> env;
  LaunchPlan sandbox = {};
  CommandPlan plan = {};
  Message message;

  explicit Program(std::vector<const char*> arguments, std::vector<const char*> environment = {}) {
    argv = std::move(arguments);
    env = std::move(environment);
    plan.argv = {argv.data(), static_cast<uint32_t>(argv.size())};
    plan.env = {env.data(), static_cast<uint32_t>(env.size())};
    argv.push_back(nullptr);
    env.push_back(nullptr);
    env.push_back(nullptr);
    plan.argv.data = argv.data();
    plan.env.data = env.data();
    plan.cwd = "/";
    plan.user = plan.group = "";
    plan.umask = 022;
    plan.cgroup = kNoFd;
    plan.capabilities.bounding = plan.capabilities.effective = plan.capabilities.permitted = 0;
    for (uint32_t& index : plan.stdio) index = kNoFd;
  }

  // The wait status, or -1 with the reason in `failure`.
  int Run() {
    const pid_t pid = cloister::StartProgram({sandbox, plan, message, -1}, failure);
    if (pid < 0) return -1;
    int status = 0;
    return waitpid(pid, &status, 0) == pid ? status : -2;
  }

  ProgramFailure failure;
};

int Exit(int code) { return code << 8; }

}  // namespace

TEST_CASE("a program by name, by path, and with arguments") {
  CHECK(InChild([]() -> Status {
          DEMAND(Program({"true"}).Run() == Exit(0));
          DEMAND(Program({"/bin/false"}).Run() == Exit(1));
          DEMAND(Program({"sh", "-c", "exit $1", "sh", "42"}).Run() == Exit(42));
          DEMAND(Program({"sh", "-c", "kill -9 $$"}).Run() == SIGKILL);
          return {};
        }) == "");
}

TEST_CASE("one start after the other on the same stack, good and bad") {
  CHECK(InChild([]() -> Status {
          for (int i = 0; i < 60; i++) {
            DEMAND(Program({"true"}).Run() == Exit(0));
            Program missing({"no-such-program"});
            DEMAND(missing.Run() == -1 && missing.failure.stage == Stage::kExec);
          }
          DEMAND(waitpid(-1, nullptr, WNOHANG) == -1);  // none is left to be reaped
          return {};
        }) == "");
}

TEST_CASE("why a program is not executed") {
  ScratchDirectory directory;
  const auto make = [&](const char* name, const char* text, mode_t mode) {
    WriteFile(directory.At(name), text);
    chmod(directory.At(name).c_str(), mode);
  };
  make("plain", "text", 0644);
  make("orphan", "#!/no/such/interpreter\n", 0755);
  make("nonsense", "\x01\x02\x03", 0755);
  const std::string path = "PATH=/nowhere:" + directory.At("plain") + "::" + directory.path();
  CHECK(InChild([&]() -> Status {
          const auto refusal = [&](const char* name, const char* where) -> std::string {
            Program program({name}, {where});
            if (program.Run() != -1 || program.failure.stage != Stage::kExec) return "not refused";
            return std::to_string(program.failure.error.code) + " " + program.failure.error.subject;
          };
          const auto code = [&](const std::string& name, const char* where) {
            return strtol(refusal(name.c_str(), where).c_str(), nullptr, 10);
          };
          DEMAND(refusal("absent", path.c_str()) == std::to_string(ENOENT) + " absent");
          DEMAND(code("plain", path.c_str()) == EACCES);
          DEMAND(refusal("orphan", path.c_str()) == std::to_string(ENOEXEC) + " " + directory.At("orphan"));
          DEMAND(code("nonsense", path.c_str()) == ENOEXEC);
          DEMAND(code("true", "PATH=") == ENOENT);
          DEMAND(code("", "PATH=/bin") == EACCES);  // a directory
          DEMAND(code(directory.path(), path.c_str()) == EACCES);
          DEMAND(code("./absent", path.c_str()) == ENOENT);
          DEMAND(code(std::string(5000, 'x'), path.c_str()) == ENOENT);
          return {};
        }) == "");
}

TEST_CASE("each stage that can refuse says which it was") {
  CHECK(InChild([]() -> Status {
          const auto stage = [](Program& program) {
            return program.Run() == -1 ? program.failure.stage : Stage::kNone;
          };
          Program nowhere({"true"});
          nowhere.plan.cwd = "/no/such/directory";
          DEMAND(stage(nowhere) == Stage::kCwd);
          DEMAND(strcmp(nowhere.failure.error.subject, "/no/such/directory") == 0);

          Program nobody({"true"});
          nobody.plan.user = "no-such-user-here";
          DEMAND(stage(nobody) == Stage::kUser);
          DEMAND(nobody.failure.error.code == ENOENT);

          Rlimit odd[] = {{0xffffff, 1, 1}};
          Program limited({"true"});
          limited.plan.rlimits = {odd, 1};
          DEMAND(stage(limited) == Stage::kRlimit);

          Program deaf({"true"});
          deaf.plan.stdio[1] = 5;  // not in the message
          DEMAND(stage(deaf) == Stage::kTerminal);

          uint32_t files[] = {0};
          Program grouped({"true"});
          grouped.plan.cgroup_files = {files, 1};
          DEMAND(stage(grouped) == Stage::kCgroup);

          Program cloned({"true"});
          cloned.plan.cgroup = 0;
          DEMAND(stage(cloned) == Stage::kCgroup);

          Program filtered({"true"});
          const uint8_t garbage[8] = {0xff};
          filtered.sandbox.seccomp = {garbage, sizeof garbage};
          DEMAND(stage(filtered) == Stage::kSeccomp);
          filtered.plan.no_new_privileges = true;
          filtered.failure = {};
          DEMAND(stage(filtered) == Stage::kSeccomp);

          Program greedy({"true"});
          greedy.plan.capabilities.ambient = 1;  // not permitted
          DEMAND(stage(greedy) == Stage::kPrivileges);
          return {};
        }) == "");
}

TEST_CASE("what a program runs with") {
  ScratchDirectory directory;
  chmod(directory.path(), 0777);
  const std::string script =
      "{ pwd; umask; id -u; id -g; id -G; ulimit -n; echo $HOME; cat; grep -E "
      "'^(Cap|NoNewPrivs|Seccomp:|SigBlk|SigIgn)' "
      "/proc/self/status; ls /proc/self/fd | wc -l; ps -o sid= -p $$ | grep -qw $$ && echo leader; } > " +
      directory.At("out");
  CHECK(InChild([&]() -> Status {
          signal(SIGPIPE, SIG_IGN);
          sigset_t all;
          sigfillset(&all);
          sigprocmask(SIG_SETMASK, &all, nullptr);
          int input[2];
          DEMAND(pipe2(input, O_CLOEXEC) == 0);
          DEMAND(write(input[1], "typed\n", 6) == 6);
          close(input[1]);
          DEMAND(dup2(open("/dev/null", O_RDWR), 90) == 90);  // without close-on-exec: it must not arrive inside
          uint32_t groups[] = {1234, 7, 8};
          Rlimit limits[] = {{RLIMIT_NOFILE, 64, 65}};
          Program program({"sh", "-c", script.c_str()}, {"PATH=/usr/bin:/bin"});
          program.plan.cwd = "/tmp";
          program.plan.umask = 0027;
          program.plan.uid = 4321;
          program.plan.gid = 1234;
          program.plan.groups = {groups, 3};
          program.plan.rlimits = {limits, 1};
          program.plan.find_home = true;
          program.plan.no_new_privileges = true;
          program.plan.capabilities.bounding = 0x21;
          program.message.fds[0].reset(input[0]);
          program.message.fd_count = 1;
          program.plan.stdio[0] = 0;
          DEMAND(program.Run() == Exit(0));
          return {};
        }) == "");
  CHECK(cloister::test::ReadFile(directory.At("out")) ==
        "/tmp\n0027\n4321\n1234\n1234 7 8\n64\n/\ntyped\n"
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
        "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000021\n"
        "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n4\nleader\n");
}

TEST_CASE("HOME is the user's unless the plan has one") {
  ScratchDirectory directory;
  const auto home = [&](std::vector<const char*> env, bool find) {
    const std::string script = "echo \"$HOME\" > " + directory.At("home");
    CHECK(InChild([&]() -> Status {
            Program program({"sh", "-c", script.c_str()}, env);
            program.plan.find_home = find;
            DEMAND(program.Run() == Exit(0));
            return {};
          }) == "");
    return cloister::test::ReadFile(directory.At("home"));
  };
  CHECK(home({"PATH=/bin"}, true) == "/root\n");
  CHECK(home({"PATH=/bin", "HOME=/mine"}, true) == "/mine\n");
  CHECK(home({"PATH=/bin", "HOMELESS=1"}, false) == "\n");
}

namespace {

// Commands with a status pipe, as init has them.
struct Init {
  LaunchPlan sandbox = {};
  UniqueFd status_read, status_write;
  OomScore oom_score;
  Commands* commands = nullptr;

  Init() {
    sandbox.id = 9;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    status_read.reset(ends[0]);
    status_write.reset(ends[1]);
    commands = new Commands(sandbox, Channels{ends[1], -1, -1}, oom_score);
  }
  ~Init() { delete commands; }

  Record Next(std::string* text = nullptr) {
    char bytes[512];
    Record record;
    if (read(status_read.get(), bytes, sizeof record) != sizeof record) return {};
    memcpy(static_cast<void*>(&record), bytes, sizeof record);
    const ssize_t more = record.text_size == 0 ? 0 : read(status_read.get(), bytes, record.text_size);
    if (text != nullptr) text->assign(bytes, static_cast<size_t>(more > 0 ? more : 0));
    return record;
  }
};

bool Is(const Record& record, RecordType type) { return record.type == static_cast<uint16_t>(type); }

}  // namespace

TEST_CASE("commands are reported when they start, when they end, and when they do not start") {
  CHECK(AsInit([]() -> Status {
          Init init;
          Program good({"sh", "-c", "exit 7"}), bad({"no-such-program"});
          good.plan.id = 1;
          bad.plan.id = 2;
          DEMAND(init.commands->Start(good.plan, good.message));
          Record record = init.Next();
          DEMAND(Is(record, RecordType::kStarted) && record.sandbox == 9 && record.command == 1 && record.value > 1);
          const uint64_t started = record.started_ns;

          DEMAND(!init.commands->Start(bad.plan, bad.message));
          std::string text;
          record = init.Next(&text);
          DEMAND(Is(record, RecordType::kFailed) && record.command == 2 && record.value == ENOENT);
          DEMAND(record.stage == static_cast<uint16_t>(Stage::kExec) && text == "execve(2)\nno-such-program");

          siginfo_t about;
          DEMAND(waitid(P_ALL, 0, &about, WEXITED | WNOWAIT) == 0);
          DEMAND(init.commands->Reap());
          record = init.Next();
          DEMAND(Is(record, RecordType::kExited) && record.command == 1 && record.value == Exit(7) && record.rest == 0);
          DEMAND(record.started_ns == started && record.ended_ns > started && record.max_rss_kib > 0);
          return {};
        }) == "");
}

TEST_CASE("a signal reaches the command that is meant, and none when there is none") {
  CHECK(AsInit([]() -> Status {
          Init init;
          Program first({"sleep", "600"}), second({"sleep", "600"});
          first.plan.id = 1;
          second.plan.id = 2;
          DEMAND(init.commands->Start(first.plan, first.message) && init.commands->Start(second.plan, second.message));
          init.Next();
          init.Next();
          init.commands->Signal(3, SIGKILL);
          init.commands->Signal(2, SIGTERM);
          siginfo_t about;
          DEMAND(waitid(P_ALL, 0, &about, WEXITED | WNOWAIT) == 0);
          DEMAND(init.commands->Reap());
          const Record record = init.Next();
          DEMAND(record.command == 2 && record.value == SIGTERM);
          init.commands->Signal(2, SIGKILL);  // its pid may be another's by now
          init.commands->Signal(1, SIGKILL);
          DEMAND(waitid(P_ALL, 0, &about, WEXITED | WNOWAIT) == 0);
          DEMAND(init.commands->Reap());
          DEMAND(init.Next().command == 1);
          return {};
        }) == "");
}

TEST_CASE("the end of a sandbox's only command is the end of all that it started") {
  CHECK(AsInit([]() -> Status {
          Init init;
          Program program({"sh", "-c", "(setsid sleep 600 &); sleep 600 & trap '' TERM; exit 3"});
          program.plan.kill_rest = true;
          DEMAND(init.commands->Start(program.plan, program.message));
          const Record started = init.Next();
          siginfo_t about;
          do DEMAND(waitid(P_PID, static_cast<id_t>(started.value), &about, WEXITED | WNOWAIT) == 0);
          while (about.si_pid != started.value);
          while (init.commands->Reap()) {
          }
          const Record record = init.Next();
          DEMAND(Is(record, RecordType::kExited) && record.value == Exit(3) && record.rest == 2);
          DEMAND(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
          return {};
        }) == "");
}
