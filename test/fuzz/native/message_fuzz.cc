// Any packet with any descriptors is a message or an error, and nothing of it stays open.
// The input: how many descriptors go along (0 to 3), how much of the rest is in a memfd, and the packet.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../../addon/kernel/host_calls.h"
#include "../../../addon/kernel/message.h"

namespace {

int LowestFree() {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(fd);
  return fd;
}

void Send(int socket, const uint8_t* packet, size_t size, const int* fds, size_t count) {
  iovec part = {const_cast<uint8_t*>(packet), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 3)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
  }
  sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t count = data[0] % 4;
  const size_t hidden = data[1] < size - 2 ? data[1] : size - 2;
  const int before = LowestFree();
  {
    cloister::Result<cloister::FdPair> pair = cloister::SocketPair();
    const cloister::UniqueFd memfd(memfd_create("cloister-fuzz", MFD_CLOEXEC));
    if (!pair.ok() || write(memfd.get(), data + 2, hidden) != static_cast<ssize_t>(hidden)) abort();
    const int fds[] = {pair.value().first.get(), pair.value().second.get(), memfd.get()};
    Send(pair.value().first.get(), data + 2 + hidden, size - 2 - hidden, fds + 3 - count, count);
    pair.value().first.reset();

    cloister::Message message;
    cloister::Arena arena;
    const cloister::Status got = cloister::ReceiveMessage(pair.value().second.get(), message, arena);
    if (got.ok()) {
      volatile uint8_t sum = 0;
      for (uint32_t i = 0; i < message.size; i++) sum = static_cast<uint8_t>(sum + message.body[i]);
      if (message.fd_count > count) abort();
    }
  }
  if (LowestFree() != before) abort();
  return 0;
}
