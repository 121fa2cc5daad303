/* Opens the standard output of another process and keeps it full: flood PID-FILE READY-FILE WRITERS. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char** argv) {
  static char bytes[1 << 16];
  char path[64];
  int pid = 0;
  if (argc < 4) return 2;
  signal(SIGPIPE, SIG_IGN);
  while (pid == 0) {
    FILE* file = fopen(argv[1], "r");
    if (file != NULL && fscanf(file, "%d", &pid) != 1) pid = 0;
    if (file != NULL) fclose(file);
    usleep(1000);
  }
  snprintf(path, sizeof path, "/proc/%d/fd/1", pid);
  int fd = open(path, O_WRONLY | O_NOCTTY);
  if (fd < 0) {
    perror(path);
    return 1;
  }
  fcntl(fd, F_SETPIPE_SZ, 1 << 20);
  close(open(argv[2], O_CREAT | O_WRONLY, 0600));
  for (int i = 1; i < atoi(argv[3]); i++) {
    if (fork() == 0) break;
  }
  while (write(fd, bytes, sizeof bytes) >= 0 || errno == EAGAIN || errno == EINTR) {
  }
  return 0;
}
