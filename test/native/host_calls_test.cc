#include "../../addon/kernel/host_calls.h"

#include <doctest/doctest.h>
#include <linux/bpf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../../addon/kernel/device_filter.h"
#include "../../addon/kernel/terminal.h"
#include "support.h"

using cloister::FdPair;
using cloister::PipeEnd;
using cloister::Result;
using cloister::Terminal;
using cloister::UniqueFd;
using cloister::test::ReadFile;
using cloister::test::ScratchDirectory;
using cloister::test::WriteFile;

namespace {

bool IsCloexec(const UniqueFd& fd) { return (fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0; }
bool IsNonblocking(const UniqueFd& fd) { return (fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0; }

}  // namespace

TEST_CASE("a pair of sockets keeps messages apart") {
  Result<FdPair> pair = cloister::SocketPair();
  REQUIRE(pair.ok());
  int type = 0;
  socklen_t size = sizeof type;
  REQUIRE(getsockopt(pair.value().first.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0);
  CHECK(type == SOCK_SEQPACKET);
  CHECK(IsCloexec(pair.value().first));
  CHECK(IsCloexec(pair.value().second));
}

TEST_CASE("only our end of a pipe does not block") {
  for (const PipeEnd ours : {PipeEnd::kRead, PipeEnd::kWrite}) {
    Result<FdPair> pipe = cloister::Pipe(ours, 0);
    REQUIRE(pipe.ok());
    CHECK(IsNonblocking(pipe.value().first) == (ours == PipeEnd::kRead));
    CHECK(IsNonblocking(pipe.value().second) == (ours == PipeEnd::kWrite));
    CHECK(IsCloexec(pipe.value().first));
    CHECK(IsCloexec(pipe.value().second));
    struct stat about;
    REQUIRE(fstat(pipe.value().first.get(), &about) == 0);
    CHECK((about.st_mode & 0777) == 0666);
  }
}

TEST_CASE("a pipe is as large as asked for, or usual where that is refused") {
  Result<FdPair> large = cloister::Pipe(PipeEnd::kRead, 1 << 20);
  REQUIRE(large.ok());
  CHECK(fcntl(large.value().first.get(), F_GETPIPE_SZ) == 1 << 20);
  CHECK(cloister::Pipe(PipeEnd::kRead, INT32_MAX).ok());
}

TEST_CASE("a detached copy of mounts") {
  CHECK(cloister::CloneMount("/no/such/path", true).error().code == ENOENT);
  CHECK(std::string(cloister::CloneMount("/no/such/path", true).error().subject) == "/no/such/path");
  ScratchDirectory directory;
  WriteFile(directory.At("file"), "content");
  Result<UniqueFd> tree = cloister::CloneMount(directory.path(), false);
  REQUIRE(tree.ok());
  CHECK(IsCloexec(tree.value()));
  CHECK(cloister::test::ListDirectory(tree.value().get()) == std::vector<std::string>{"file"});
}

TEST_CASE("nobody can write to a sealed copy, map it writable, or break the seal") {
  ScratchDirectory directory;
  const std::string content(200'000, 'x');
  WriteFile(directory.At("program"), content);
  Result<UniqueFd> copy = cloister::SealedCopy(directory.At("program").c_str());
  REQUIRE(copy.ok());
  const int fd = copy.value().get();
  CHECK(ReadFile("/proc/self/fd/" + std::to_string(fd)) == content);
  CHECK(write(fd, "y", 1) == -1);
  CHECK(errno == EPERM);
  CHECK(ftruncate(fd, 0) == -1);
  CHECK(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  CHECK(fcntl(fd, F_ADD_SEALS, 0) == -1);
  CHECK(cloister::SealedCopy("/no/such/program").error().code == ENOENT);
  CHECK(cloister::SealedCopy("/").error().code == EISDIR);
}

TEST_CASE("a lock belongs to one open file, whoever holds it") {
  ScratchDirectory directory;
  UniqueFd first(open(directory.At("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const UniqueFd second(open(directory.At("lock").c_str(), O_RDWR | O_CLOEXEC));
  const auto lock = [](const UniqueFd& fd) {
    Result<bool> taken = cloister::TryLock(fd.get());
    REQUIRE(taken.ok());
    return taken.value();
  };
  CHECK(lock(first));
  CHECK(lock(first));
  CHECK_FALSE(lock(second));
  first.reset();
  CHECK(lock(second));
  CHECK(cloister::TryLock(-1).error().code == EBADF);
}

TEST_CASE("a terminal of the size asked for") {
  const UniqueFd devpts(open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC));
  Terminal terminal;
  REQUIRE(cloister::OpenTerminal(devpts.get(), 132, 43, terminal).ok());
  CHECK(isatty(terminal.slave.get()) == 1);
  winsize size = {};
  REQUIRE(ioctl(terminal.slave.get(), TIOCGWINSZ, &size) == 0);
  CHECK(size.ws_col == 132);
  CHECK(size.ws_row == 43);
  REQUIRE(cloister::ResizeTerminal(terminal.master.get(), 65'535, 1).ok());
  REQUIRE(ioctl(terminal.slave.get(), TIOCGWINSZ, &size) == 0);
  CHECK(size.ws_col == 65'535);
  CHECK(write(terminal.master.get(), "\x04", 1) == 1);
  char byte;
  CHECK(read(terminal.slave.get(), &byte, 1) == 0);
}

TEST_CASE("what is no terminal") {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK(cloister::ResizeTerminal(null.get(), 80, 24).error().code == ENOTTY);
  ScratchDirectory directory;
  const UniqueFd empty(open(directory.path(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  Terminal terminal;
  CHECK(cloister::OpenTerminal(empty.get(), 80, 24, terminal).error().code == ENOENT);
}

TEST_CASE("a device filter that is none never reaches a group") {
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const bpf_insn nonsense[2] = {};
  const bpf_insn allow_all[2] = {{BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 1}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  CHECK(cloister::AttachDeviceFilter(root.get(), nonsense, 0).error().code == EINVAL);
  CHECK(cloister::AttachDeviceFilter(root.get(), nonsense, sizeof nonsense - 1).error().code == EINVAL);
  CHECK(std::string(cloister::AttachDeviceFilter(root.get(), nonsense, sizeof nonsense).error().subject) ==
        "load device filter");
  // Sound, but the directory is not that of a group.
  CHECK(std::string(cloister::AttachDeviceFilter(root.get(), allow_all, sizeof allow_all).error().subject) ==
        "attach device filter");
}
