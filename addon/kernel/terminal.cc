#include "terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

namespace cloister {

Status ResizeTerminal(int fd, unsigned columns, unsigned rows) {
  winsize size = {};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  if (ioctl(fd, TIOCSWINSZ, &size) != 0) return LastError("ioctl(2) TIOCSWINSZ", "terminal");
  return {};
}

Result<UniqueFd> OpenTerminalPeer(int master) {
  UniqueFd slave(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave.valid()) return LastError("ioctl(2) TIOCGPTPEER", "terminal");
  return Result<UniqueFd>(static_cast<UniqueFd&&>(slave));
}

Status OpenTerminal(int devpts, unsigned columns, unsigned rows, Terminal& terminal) {
  terminal.master.reset(openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!terminal.master.valid()) return LastError("open(2)", "/dev/ptmx");
  int locked = 0;
  if (ioctl(terminal.master.get(), TIOCSPTLCK, &locked) != 0) return LastError("ioctl(2) TIOCSPTLCK", "/dev/ptmx");
  CLOISTER_ASSIGN(slave, OpenTerminalPeer(terminal.master.get()));
  terminal.slave = static_cast<UniqueFd&&>(slave);
  return ResizeTerminal(terminal.master.get(), columns, rows);
}

}  // namespace cloister
