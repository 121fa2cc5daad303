#include "init_filter.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cloister {
namespace {

constexpr uint32_t kX32 = 0x40000000;
constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;

constexpr uint32_t kTerminalRequests[] = {TIOCSTI, TIOCLINUX, TIOCSETD};
constexpr uint32_t kNetlinkFamily[] = {AF_NETLINK};
// Its family is in memory: any socket that comes this way counts, socketcall(2).
constexpr uint32_t kSocketOfSocketcall[] = {1};

struct Call {
  uint32_t number;
  unsigned argument;
  const uint32_t* values;
  unsigned count;
  uint32_t action;

  template <unsigned N>
  static constexpr Call Ioctl(uint32_t number, const uint32_t (&values)[N]) {
    return {number, 1, values, N, kRefuse};
  }
  template <unsigned N>
  static constexpr Call Socket(uint32_t number, const uint32_t (&values)[N]) {
    return {number, 0, values, N, SECCOMP_RET_USER_NOTIF};
  }
};

constexpr unsigned kMostCalls = 4;

// Every way into the kernel that a processor which this runs on has, asm/unistd.h of each.
struct Architecture {
  uint32_t audit;
  unsigned count;
  Call calls[kMostCalls];
};

constexpr Architecture kArchitectures[] = {
    {AUDIT_ARCH_X86_64,
     4,
     {Call::Ioctl(16, kTerminalRequests), Call::Ioctl(kX32 | 514, kTerminalRequests), Call::Socket(41, kNetlinkFamily),
      Call::Socket(kX32 | 41, kNetlinkFamily)}},
    {AUDIT_ARCH_I386,
     3,
     {Call::Ioctl(54, kTerminalRequests), Call::Socket(359, kNetlinkFamily), Call::Socket(102, kSocketOfSocketcall)}},
    {AUDIT_ARCH_AARCH64, 2, {Call::Ioctl(29, kTerminalRequests), Call::Socket(198, kNetlinkFamily)}},
    {AUDIT_ARCH_ARM,
     3,
     {Call::Ioctl(54, kTerminalRequests), Call::Socket(281, kNetlinkFamily), Call::Socket(102, kSocketOfSocketcall)}},
};

class Code {
 public:
  void Add(const sock_filter& instruction) { code_[size_++] = instruction; }
  sock_fprog Program() {
    sock_fprog program = {};
    program.len = static_cast<unsigned short>(size_);
    program.filter = code_;
    return program;
  }

 private:
  static constexpr unsigned kMost = 128;

  sock_filter code_[kMost];
  unsigned size_ = 0;
};

constexpr unsigned LengthOf(const Call& call) { return call.count + 4; }

void AddCall(Code& code, const Call& call, bool listens) {
  code.Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, static_cast<uint8_t>(LengthOf(call) - 1)));
  // The lower half: the kernel looks at no more, and both processors are little-endian.
  code.Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                    static_cast<uint32_t>(offsetof(seccomp_data, args) + call.argument * sizeof(uint64_t))));
  for (unsigned i = 0; i < call.count; i++) {
    code.Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.values[i], static_cast<uint8_t>(call.count - i), 0));
  }
  code.Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const bool nobody_answers = call.action == SECCOMP_RET_USER_NOTIF && !listens;
  code.Add(BPF_STMT(BPF_RET | BPF_K, nobody_answers ? SECCOMP_RET_ALLOW : call.action));
}

// The kernel tries every system call number at once to see which are always allowed, and remembers them: most are after few steps.
void AddArchitecture(Code& code, const Architecture& architecture, bool listens) {
  unsigned length = 2;
  for (unsigned i = 0; i < architecture.count; i++) length += LengthOf(architecture.calls[i]);
  code.Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture.audit, 0, static_cast<uint8_t>(length)));
  code.Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (unsigned i = 0; i < architecture.count; i++) AddCall(code, architecture.calls[i], listens);
  code.Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

long Install(bool listens) {
  Code code;
  code.Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  for (const Architecture& architecture : kArchitectures) AddArchitecture(code, architecture, listens);
  code.Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program = code.Program();
  const unsigned flags = listens ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

}  // namespace

Result<UniqueFd> InstallInitFilter() {
  const long listener = Install(true);
  if (listener >= 0) return Result<UniqueFd>(UniqueFd(static_cast<int>(listener)));
  if (errno != EBUSY || Install(false) != 0) return LastError("seccomp(2)", "filter of init");
  return Result<UniqueFd>(UniqueFd());
}

}  // namespace cloister
