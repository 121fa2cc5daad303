#include "../../addon/kernel/message.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../../addon/kernel/host_calls.h"
#include "support.h"

using cloister::Arena;
using cloister::FdPair;
using cloister::kInlineBytes;
using cloister::kMaxBodyBytes;
using cloister::kMaxFds;
using cloister::Message;
using cloister::MessageType;
using cloister::ReceiveFd;
using cloister::ReceiveMessage;
using cloister::Result;
using cloister::SendFd;
using cloister::SendMessage;
using cloister::Status;
using cloister::UniqueFd;
using cloister::test::CountOpenFiles;

namespace {

struct Sockets {
  UniqueFd ours;
  UniqueFd theirs;

  Sockets() {
    Result<FdPair> pair = cloister::SocketPair();
    REQUIRE(pair.ok());
    ours = static_cast<UniqueFd&&>(pair.value().first);
    theirs = static_cast<UniqueFd&&>(pair.value().second);
  }
};

UniqueFd Memfd(const std::string& text) {
  UniqueFd fd(memfd_create("cloister-test", MFD_CLOEXEC));
  REQUIRE(write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  return fd;
}

std::string Contents(int fd) {
  lseek(fd, 0, SEEK_SET);
  return cloister::test::Drain(fd);
}

// As SendMessage, without its care.
void SendRaw(int socket, const std::vector<uint32_t>& header, const std::string& body, const std::vector<int>& fds) {
  std::string bytes(reinterpret_cast<const char*>(header.data()), header.size() * sizeof header[0]);
  bytes += body;
  iovec part = {bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
  }
  REQUIRE(sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

// The errno of what was received, and nothing of it left open.
int ReceivedCode(int socket) {
  const size_t before = CountOpenFiles();
  int code;
  {
    Message message;
    Arena arena;
    const Status got = ReceiveMessage(socket, message, arena);
    code = got.ok() ? -1 : got.error().code;
  }
  CHECK(CountOpenFiles() <= before);
  return code;
}

}  // namespace

TEST_CASE("a message of any size arrives as it was sent") {
  Sockets sockets;
  for (const uint32_t size : {0U, 1U, 4096U, kInlineBytes - 1, kInlineBytes, kInlineBytes + 1, 5 * kInlineBytes}) {
    std::vector<uint8_t> body(size);
    for (uint32_t i = 0; i < size; i++) body[i] = static_cast<uint8_t>(i * 31);
    REQUIRE(SendMessage(sockets.ours.get(), MessageType::kExec, body.data(), size, nullptr, 0).ok());
    Message message;
    Arena arena;
    REQUIRE(ReceiveMessage(sockets.theirs.get(), message, arena).ok());
    CHECK(message.type == MessageType::kExec);
    REQUIRE(message.size == size);
    CHECK(message.fd_count == 0);
    CHECK(std::vector<uint8_t>(message.body, message.body + size) == body);
  }
}

TEST_CASE("descriptors keep their order, also beside a body that travels in one") {
  Sockets sockets;
  const UniqueFd first = Memfd("first"), second = Memfd("second");
  const int fds[] = {first.get(), second.get()};
  for (const uint32_t size : {3U, kInlineBytes + 1}) {
    const std::vector<uint8_t> body(size, 7);
    REQUIRE(SendMessage(sockets.ours.get(), MessageType::kLaunch, body.data(), size, fds, 2).ok());
    Message message;
    Arena arena;
    REQUIRE(ReceiveMessage(sockets.theirs.get(), message, arena).ok());
    REQUIRE(message.fd_count == 2);
    CHECK(Contents(message.fd(0)) == "first");
    CHECK(Contents(message.fd(1)) == "second");
    CHECK(message.fd(2) == -1);
    CHECK(message.fd(0xffffffff) == -1);
    CHECK((fcntl(message.fd(0), F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("as many descriptors as the kernel passes, and not one more") {
  Sockets sockets;
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::vector<int> fds(kMaxFds + 1, null.get());
  const std::vector<uint8_t> large(kInlineBytes + 1);
  REQUIRE(SendMessage(sockets.ours.get(), MessageType::kLaunch, nullptr, 0, fds.data(), kMaxFds).ok());
  {
    Message message;
    Arena arena;
    REQUIRE(ReceiveMessage(sockets.theirs.get(), message, arena).ok());
    CHECK(message.fd_count == kMaxFds);
  }
  const auto code = [&](const std::vector<uint8_t>& body, uint32_t count) {
    const auto size = static_cast<uint32_t>(body.size());
    return SendMessage(sockets.ours.get(), MessageType::kLaunch, body.data(), size, fds.data(), count).error().code;
  };
  CHECK(code({}, kMaxFds + 1) == ETOOMANYREFS);
  CHECK(code(large, kMaxFds) == ETOOMANYREFS);  // the body needs one
  CHECK(code(large, kMaxFds - 1) == 0);
}

TEST_CASE("a body beyond every plan is refused by who sends it") {
  Sockets sockets;
  const std::vector<uint8_t> body(kMaxBodyBytes + 1);
  const auto size = static_cast<uint32_t>(body.size());
  CHECK(SendMessage(sockets.ours.get(), MessageType::kExec, body.data(), size, nullptr, 0).error().code == E2BIG);
}

TEST_CASE("a receiver that does not keep up is told, not waited for") {
  Sockets sockets;
  const std::vector<uint8_t> body(kInlineBytes);
  int code = 0;
  for (int i = 0; i < 100 && code == 0; i++) {
    code = SendMessage(sockets.ours.get(), MessageType::kExec, body.data(), kInlineBytes, nullptr, 0).error().code;
  }
  CHECK(code == EAGAIN);
}

TEST_CASE("a peer that is gone has the code 0 for who receives, EPIPE for who sends") {
  Sockets sockets;
  sockets.ours.reset();
  CHECK(ReceivedCode(sockets.theirs.get()) == 0);
  CHECK(SendMessage(sockets.theirs.get(), MessageType::kKill, nullptr, 0, nullptr, 0).error().code == EPIPE);
}

TEST_CASE("what is no message is refused, its descriptors are closed") {
  Sockets sockets;
  const UniqueFd four = Memfd("1234"), null(open("/dev/null", O_RDWR | O_CLOEXEC));
  int pipe_ends[2];
  REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
  const UniqueFd pipe_read(pipe_ends[0]), pipe_write(pipe_ends[1]);
  const auto code = [&](const std::vector<uint32_t>& header, const std::vector<int>& fds) {
    errno = 0;  // what was there before must not become the answer
    SendRaw(sockets.ours.get(), header, "", fds);
    return ReceivedCode(sockets.theirs.get());
  };
  CHECK(code({}, {null.get(), null.get()}) == 0);  // an empty packet is the end, whatever comes with it
  CHECK(code({1}, {}) == EPROTO);
  CHECK(code({1, 4}, {null.get(), null.get()}) == EPROTO);
  CHECK(code({1, 4, 1}, {}) == EPROTO);            // no memfd
  CHECK(code({1, 5, 1}, {four.get()}) == EPROTO);  // shorter than it says
  CHECK(code({1, 3, 1}, {four.get()}) == EPROTO);  // longer
  CHECK(code({1, 0xffffffff, 1}, {four.get()}) == EPROTO);
  CHECK(code({1, 4, 1}, {null.get()}) == EPROTO);  // a device
  CHECK(code({1, 4, 1}, {pipe_read.get()}) == EPROTO);
  CHECK(code({1, 4, 1}, {null.get(), four.get()}) == -1);  // the last one is the body
  CHECK(code({0xffffffff, 0, 0}, {}) == -1);               // an unknown type is for the receiver to judge
}

TEST_CASE("one descriptor by itself") {
  Sockets sockets;
  const UniqueFd file = Memfd("terminal");
  REQUIRE(SendFd(sockets.ours.get(), file.get()).ok());
  Result<UniqueFd> got = ReceiveFd(sockets.theirs.get());
  REQUIRE(got.ok());
  CHECK(Contents(got.value().get()) == "terminal");

  SendRaw(sockets.ours.get(), {3, 0, 0}, "", {});
  CHECK(ReceiveFd(sockets.theirs.get()).error().code == EPROTO);
  const size_t before = CountOpenFiles();
  SendRaw(sockets.ours.get(), {3, 0, 0}, "", {file.get(), file.get()});
  CHECK(ReceiveFd(sockets.theirs.get()).error().code == EPROTO);
  CHECK(CountOpenFiles() == before);
}
