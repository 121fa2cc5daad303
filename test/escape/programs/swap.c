/* Exchanges two names again and again, as fast as it can: swap A B [A B]… */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    for (int i = 1; i + 1 < argc; i += 2) {
      if (syscall(SYS_renameat2, AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], 2 /* RENAME_EXCHANGE */) != 0) {
        perror(argv[i]);
        return 1;
      }
    }
  }
}
