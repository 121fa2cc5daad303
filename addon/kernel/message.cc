#include "message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

namespace cloister {
namespace {

struct Header {
  uint32_t type;
  uint32_t size;
  uint32_t in_memfd;
};

// A sealed copy: the receiver maps nothing that could still change.
Result<UniqueFd> BodyInMemfd(const uint8_t* body, uint32_t size) {
  UniqueFd fd(memfd_create("cloister-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return LastError("memfd_create(2)");
  for (uint32_t at = 0; at < size;) {
    const ssize_t n = write(fd.get(), body + at, size - at);
    if (n < 0) return LastError("write(2)", "memfd");
    at += static_cast<uint32_t>(n);
  }
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return Result<UniqueFd>(static_cast<UniqueFd&&>(fd));
}

// As large as the header says, or nothing is allocated for it.
Status CheckMemfd(int fd, uint32_t size) {
  struct stat about;
  if (fstat(fd, &about) != 0) return LastError("stat(2)", "memfd");
  const bool fits = S_ISREG(about.st_mode) && about.st_size == static_cast<off_t>(size) && size <= kMaxBodyBytes;
  return fits ? Status() : Status(Error("recvmsg(2)", EPROTO, "memfd"));
}

Status ReadMemfd(int fd, uint8_t* into, uint32_t size) {
  for (uint32_t at = 0; at < size;) {
    const ssize_t n = pread(fd, into + at, size - at, at);
    if (n < 0) return LastError("pread(2)", "memfd");
    if (n == 0) return Error("pread(2)", EPROTO, "memfd");
    at += static_cast<uint32_t>(n);
  }
  return {};
}

void TakeFds(msghdr& header, Message& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const unsigned char* data = CMSG_DATA(c);
    for (size_t i = 0; i < count && message.fd_count < kMaxFds; i++) {
      int fd;
      memcpy(&fd, data + i * sizeof fd, sizeof fd);
      message.fds[message.fd_count++].reset(fd);
    }
  }
}

}  // namespace

Status SendMessage(int socket, MessageType type, const uint8_t* body, uint32_t size, const int* fds,
                   uint32_t fd_count) {
  Header head = {static_cast<uint32_t>(type), size, size > kInlineBytes ? 1U : 0U};
  if (size > kMaxBodyBytes) return Error("sendmsg(2)", E2BIG, "message");
  if (fd_count + head.in_memfd > kMaxFds) return Error("sendmsg(2)", ETOOMANYREFS, "descriptors");
  UniqueFd memfd;
  if (head.in_memfd != 0) {
    CLOISTER_ASSIGN(made, BodyInMemfd(body, size));
    memfd = static_cast<UniqueFd&&>(made);
  }
  iovec parts[2] = {{&head, sizeof head}, {const_cast<uint8_t*>(body), size}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
  msghdr header = {};
  header.msg_iov = parts;
  header.msg_iovlen = head.in_memfd != 0 || size == 0 ? 1 : 2;
  const uint32_t all = fd_count + head.in_memfd;
  if (all > 0) {
    header.msg_control = control;
    header.msg_controllen = static_cast<socklen_t>(CMSG_SPACE(sizeof(int) * all));
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = static_cast<socklen_t>(CMSG_LEN(sizeof(int) * all));
    if (fd_count > 0) memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    if (head.in_memfd != 0) {
      const int fd = memfd.get();
      memcpy(CMSG_DATA(c) + sizeof(int) * fd_count, &fd, sizeof fd);
    }
  }
  ssize_t sent;
  do sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return LastError("sendmsg(2)", "launcher");
  return {};
}

Status ReceiveMessage(int socket, Message& message, Arena& arena) {
  Header head = {};
  auto* body = arena.Make<uint8_t>(kInlineBytes);
  if (body == nullptr) return Error("malloc(3)", ENOMEM, "message");
  iovec parts[2] = {{&head, sizeof head}, {body, kInlineBytes}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  msghdr header = {};
  header.msg_iov = parts;
  header.msg_iovlen = 2;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t got;
  do got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return LastError("recvmsg(2)");
  TakeFds(header, message);
  // An empty packet looks the same; nobody here sends one.
  if (got == 0) return Error("recvmsg(2)", 0, "peer is gone");
  if (static_cast<size_t>(got) < sizeof head) return Error("recvmsg(2)", EPROTO, "short message");
  message.type = static_cast<MessageType>(head.type);
  message.body = body;
  message.size = static_cast<uint32_t>(static_cast<size_t>(got) - sizeof head);
  if (head.in_memfd == 0) return {};
  if (message.fd_count == 0) return Error("recvmsg(2)", EPROTO, "no memfd");
  const UniqueFd memfd(message.fds[--message.fd_count].release());
  CLOISTER_TRY(CheckMemfd(memfd.get(), head.size));
  message.body = arena.Make<uint8_t>(head.size);
  message.size = head.size;
  if (message.body == nullptr) return Error("malloc(3)", ENOMEM, "message");
  return ReadMemfd(memfd.get(), message.body, message.size);
}

Status SendFd(int socket, int fd) { return SendMessage(socket, MessageType::kExec, nullptr, 0, &fd, 1); }

Result<UniqueFd> ReceiveFd(int socket) {
  Message message;
  Arena arena;
  CLOISTER_TRY(ReceiveMessage(socket, message, arena));
  if (message.fd_count != 1) return Error("recvmsg(2)", EPROTO, "one descriptor expected");
  return Result<UniqueFd>(static_cast<UniqueFd&&>(message.fds[0]));
}

}  // namespace cloister
