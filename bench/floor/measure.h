// Measures on demand: each byte read from standard input asks for one measurement, each line written is its
// milliseconds. The benchmark asks when it is this program's turn.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double NowMs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void Fail(const char* what) {
  perror(what);
  exit(1);
}

// A start that did not end with exit code 0 measured nothing.
static void AwaitSuccess(pid_t pid) {
  int status;
  if (waitpid(pid, &status, 0) != pid) Fail("waitpid");
  if (status != 0) {
    fprintf(stderr, "wait status %#x\n", status);
    exit(1);
  }
}

static void Serve(void (*once)(void)) {
  for (char byte; read(STDIN_FILENO, &byte, 1) == 1;) {
    const double start = NowMs();
    once();
    printf("%.4f\n", NowMs() - start);
    fflush(stdout);
  }
}
