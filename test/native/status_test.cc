#include "../../addon/kernel/status.h"

#include <doctest/doctest.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "support.h"

using cloister::Error;
using cloister::LastError;
using cloister::Record;
using cloister::RecordType;
using cloister::Result;
using cloister::Stage;
using cloister::Status;
using cloister::UniqueFd;
using cloister::WriteError;
using cloister::WriteRecord;

namespace {

struct StatusPipe {
  UniqueFd read_end;
  UniqueFd write_end;

  StatusPipe() {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }

  std::string Written() {
    write_end.reset();
    return cloister::test::Drain(read_end.get());
  }
};

template <class T>
T At(const std::string& bytes, size_t offset) {
  T value;
  REQUIRE(offset + sizeof value <= bytes.size());
  memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

TEST_CASE("a record lies in the pipe as lib/native/status.ts reads it") {
  StatusPipe pipe;
  Record record;
  record.type = static_cast<uint16_t>(RecordType::kExited);
  record.stage = static_cast<uint16_t>(Stage::kExec);
  record.sandbox = 0x01020304;
  record.command = 5;
  record.value = -6;
  record.max_rss_kib = 7;
  record.started_ns = 8;
  record.ended_ns = 0x1122334455667788;
  record.user_us = 9;
  record.system_us = 10;
  record.rest = 11;
  WriteRecord(pipe.write_end.get(), record, "text");
  const std::string bytes = pipe.Written();
  REQUIRE(bytes.size() == 64 + 4);
  CHECK(At<uint16_t>(bytes, 0) == 68);
  CHECK(At<uint16_t>(bytes, 2) == 3);
  CHECK(At<uint16_t>(bytes, 4) == 14);
  CHECK(At<uint16_t>(bytes, 6) == 4);
  CHECK(At<uint32_t>(bytes, 8) == 0x01020304);
  CHECK(At<uint32_t>(bytes, 12) == 5);
  CHECK(At<int32_t>(bytes, 16) == -6);
  CHECK(At<uint32_t>(bytes, 20) == 7);
  CHECK(At<uint64_t>(bytes, 24) == 8);
  CHECK(At<uint64_t>(bytes, 32) == 0x1122334455667788);
  CHECK(At<uint64_t>(bytes, 40) == 9);
  CHECK(At<uint64_t>(bytes, 48) == 10);
  CHECK(At<uint32_t>(bytes, 56) == 11);
  CHECK(bytes.substr(64) == "text");
}

TEST_CASE("however long its text, a record is written at once") {
  StatusPipe pipe;
  WriteRecord(pipe.write_end.get(), {}, std::string(10000, 'x').c_str());
  const std::string bytes = pipe.Written();
  CHECK(bytes.size() == 512);
  CHECK(bytes.size() <= PIPE_BUF);
  CHECK(At<uint16_t>(bytes, 0) == 512);
  CHECK(At<uint16_t>(bytes, 6) == 512 - 64);
}

TEST_CASE("an error is its call, a line break, and what it was about") {
  StatusPipe pipe;
  const Error error("mount_setattr(2)", EINVAL, "some/path");
  WriteError(pipe.write_end.get(), RecordType::kBroken, 3, 4, Stage::kMount, error);
  const std::string bytes = pipe.Written();
  CHECK(At<uint16_t>(bytes, 2) == 6);
  CHECK(At<uint16_t>(bytes, 4) == 5);
  CHECK(At<uint32_t>(bytes, 8) == 3);
  CHECK(At<uint32_t>(bytes, 12) == 4);
  CHECK(At<int32_t>(bytes, 16) == EINVAL);
  CHECK(bytes.substr(64) == "mount_setattr(2)\nsome/path");
}

TEST_CASE("an application that is gone is no reason to die") {
  StatusPipe pipe;
  pipe.read_end.reset();
  const auto previous = signal(SIGPIPE, SIG_IGN);
  WriteRecord(pipe.write_end.get(), {}, "nobody reads this");
  signal(SIGPIPE, previous);
}

TEST_CASE("a subject that is too long is cut, and stays a text") {
  const Error error("open(2)", ENOENT, std::string(1000, 'a').c_str());
  CHECK(strlen(error.subject) == sizeof error.subject - 1);
  errno = EACCES;
  CHECK(LastError("open(2)").code == EACCES);
}

TEST_CASE("a result is a value or an error") {
  const Result<int> number(3);
  CHECK(number.ok());
  const Result<int> none(Error("read(2)", EIO));
  CHECK_FALSE(none.ok());
  CHECK(none.error().code == EIO);
  CHECK(Status().ok());
}

TEST_CASE("a descriptor has one owner") {
  const size_t before = cloister::test::CountOpenFiles();
  {
    UniqueFd first(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = first.get();
    UniqueFd second(static_cast<UniqueFd&&>(first));
    // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move): that it is empty now is the point
    const bool is_empty = !first.valid();
    CHECK(is_empty);
    CHECK(second.get() == number);
    UniqueFd& itself = second;
    second = static_cast<UniqueFd&&>(itself);
    CHECK(second.get() == number);
    first.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
    first = static_cast<UniqueFd&&>(second);  // closes its own
    CHECK(first.get() == number);
    CHECK(cloister::test::CountOpenFiles() == before + 1);
    close(first.release());
    CHECK_FALSE(first.valid());
  }
  CHECK(cloister::test::CountOpenFiles() == before);
}
