// What the launcher and the inits tell the application: records in one pipe, each written at once
// (at most PIPE_BUF bytes, so records of different writers never mix, pipe(7)). Mirrored by lib/native/status.ts.
#pragma once

#include <stdint.h>

#include "result.h"

namespace cloister {

enum class RecordType : uint16_t {
  kReady = 1,     // the sandbox is set up
  kStarted = 2,   // a command runs; value: its pid inside
  kExited = 3,    // a command's main process was reaped; value: wait status; with kill_rest nothing else lives inside
  kFailed = 4,    // a command did not start; value: errno; stage and text say what
  kGone = 5,      // from the launcher: init was reaped; value: its wait status
  kBroken = 6,    // the sandbox could not be set up; value: errno; stage and text say what. kGone follows
  kTerminal = 7,  // the master end of a command's terminal waits in the control socket
};

// Where a start was when it failed, so that a person reads "no such user", not "ENOENT".
enum class Stage : uint16_t {
  kNone = 0,
  kProtocol = 1,
  kSource = 2,
  kClone = 3,
  kNamespace = 4,
  kMount = 5,
  kSysctl = 6,
  kCgroup = 7,
  kTerminal = 8,
  kRlimit = 9,
  kUser = 10,
  kCwd = 11,
  kPrivileges = 12,
  kSeccomp = 13,
  kExec = 14,
};

struct Record {
  uint16_t size = 0;
  uint16_t type = 0;
  uint16_t stage = 0;
  uint16_t text_size = 0;
  uint32_t sandbox = 0;
  uint32_t command = 0;
  int32_t value = 0;
  uint32_t max_rss_kib = 0;
  uint64_t started_ns = 0;  // CLOCK_MONOTONIC
  uint64_t ended_ns = 0;
  // kExited: of the main process and those it waited for, getrusage(2). kStarted: of init, up to now.
  uint64_t user_us = 0;
  uint64_t system_us = 0;
  uint32_t rest = 0;  // kExited with kill_rest: how many processes were still alive
  uint32_t reserved = 0;
};

void WriteRecord(int pipe, Record record, const char* text = "");
void WriteError(int pipe, RecordType type, uint32_t sandbox, uint32_t command, Stage stage, const Error& error);

}  // namespace cloister
