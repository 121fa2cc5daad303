/* A probe tries every door of its table and prints one line for each: "open NAME" or "shut NAME". */
#pragma once
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct door {
  const char* name;
  int (*open)(void); /* 1: it went through. In a process of its own: a filter may kill it */
};

static int walk(const struct door* doors, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    fflush(stdout);
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
      alarm(60);
      _exit(doors[i].open() == 1 ? 42 : 0);
    }
    waitpid(pid, &status, 0);
    printf("%s %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 42 ? "open" : "shut", doors[i].name);
  }
  return 0;
}
