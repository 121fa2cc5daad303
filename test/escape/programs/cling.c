/* Ways not to end: cling HOW. Prints "ready" when it has begun. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void ready(void) {
  if (write(1, "ready\n", 6) != 6) _exit(1);
}

static void ignore_all(void) {
  for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
}

/* Two more for each that dies, in sessions and groups of their own. */
static void storm(void) {
  for (;;) {
    if (fork() == 0) setsid();
    if (fork() == 0) setpgid(0, 0);
    usleep(100);
  }
}

static void orphans(int subreaper) {
  if (subreaper) prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int i = 0; i < 8; i++) {
    if (fork() != 0) continue;
    setsid();
    if (fork() != 0) _exit(0);
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    ignore_all();
    for (;;) pause();
  }
  ready();
  for (;;) pause();
}

static int child_of_vfork(void* unused) {
  (void)unused;
  ready();
  while (pause() < 0) continue;
  return 0;
}

/* The parent waits for it in the kernel, without being interruptible. */
static void stuck(void) {
  static char stack[65536] __attribute__((aligned(16)));
  ignore_all();
  clone(child_of_vfork, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
}

/* Everybody is traced by somebody, and stopped. */
static void traced(void) {
  const pid_t parent = getpid();
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  if (fork() == 0) {
    ptrace(PTRACE_SEIZE, parent, 0, PTRACE_O_TRACEFORK);
    ptrace(PTRACE_INTERRUPT, parent, 0, 0);
    waitpid(parent, NULL, __WALL);
    ready();
    for (;;) pause();
  }
  for (;;) pause();
}

static void stopped(void) {
  ready();
  if (fork() == 0) raise(SIGSTOP);
  raise(SIGSTOP);
  for (;;) pause();
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  if (strcmp(how, "storm") == 0) {
    ready();
    storm();
  }
  if (strcmp(how, "orphans") == 0) orphans(0);
  if (strcmp(how, "subreaper") == 0) orphans(1);
  if (strcmp(how, "stuck") == 0) stuck();
  if (strcmp(how, "traced") == 0) traced();
  if (strcmp(how, "stopped") == 0) stopped();
  if (strcmp(how, "deaf") == 0) {
    ignore_all();
    ready();
    for (;;) pause();
  }
  return 2;
}
