#include "status.h"

#include <string.h>
#include <unistd.h>

namespace cloister {

void WriteRecord(int pipe, Record record, const char* text) {
  char buffer[512];
  size_t length = strlen(text);
  if (length > sizeof buffer - sizeof record) length = sizeof buffer - sizeof record;
  record.text_size = static_cast<uint16_t>(length);
  record.size = static_cast<uint16_t>(sizeof record + length);
  memcpy(buffer, &record, sizeof record);
  memcpy(buffer + sizeof record, text, length);
  // A lost record is a lost application: its end of the pipe is closed, and we are about to be killed.
  ssize_t n;
  do n = write(pipe, buffer, record.size);
  while (n < 0 && errno == EINTR);
}

void WriteError(int pipe, RecordType type, uint32_t sandbox, uint32_t command, Stage stage, const Error& error) {
  Record record;
  record.type = static_cast<uint16_t>(type);
  record.stage = static_cast<uint16_t>(stage);
  record.sandbox = sandbox;
  record.command = command;
  record.value = error.code;
  char text[256];
  snprintf(text, sizeof text, "%s\n%s", error.call, error.subject);
  WriteRecord(pipe, record, text);
}

}  // namespace cloister
