// Messages with descriptors over a SOCK_SEQPACKET socket: application → launcher and application → init.
// A body too large for one packet travels in a memfd, the last descriptor of the message.
#pragma once

#include <stdint.h>

#include "bytes.h"
#include "result.h"
#include "unique_fd.h"

namespace cloister {

// SCM_MAX_FD of the kernel, unix(7).
inline constexpr uint32_t kMaxFds = 253;
inline constexpr uint32_t kInlineBytes = 128 * 1024;
// Far above what execve(2) takes of arguments and environment.
inline constexpr uint32_t kMaxBodyBytes = 16 * 1024 * 1024;

enum class MessageType : uint32_t {
  kLaunch = 1,  // application → launcher: LaunchPlan; descriptors as the plan's indices name them
  kKill = 2,    // application → launcher: u32 sandbox; SIGKILL to its init
  kExec = 3,    // application → init: CommandPlan
  kSignal = 4,  // application → init: u32 command, i32 signal
  kAdopt = 5,   // application → launcher: cgroup directories to remove when the application is gone
};

struct Message {
  MessageType type = MessageType::kLaunch;
  uint8_t* body = nullptr;  // of the arena given to Receive
  uint32_t size = 0;
  UniqueFd fds[kMaxFds];
  uint32_t fd_count = 0;

  int fd(uint32_t index) const { return index < fd_count ? fds[index].get() : -1; }
};

// EAGAIN when the peer does not keep up; nothing was sent then.
Status SendMessage(int socket, MessageType type, const uint8_t* body, uint32_t size, const int* fds, uint32_t fd_count);

// `code` 0 in the error means the peer is gone.
Status ReceiveMessage(int socket, Message& message, Arena& arena);

// One descriptor with one byte, for a terminal that init hands to the application.
Status SendFd(int socket, int fd);
Result<UniqueFd> ReceiveFd(int socket);

}  // namespace cloister
