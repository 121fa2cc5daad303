// libseccomp as the judge: reads a rule list, writes the filter that libseccomp makes of it.
//
//   arch NAME                            adds an architecture (native first)
//   rule ACTION NAME [INDEX OP A B]...   ACTION and OP as numbers of seccomp.h, NAME as libseccomp knows it
// Usage: seccomp-oracle DEFAULT_ACTION < rules > filter
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char* what, int error) {
  fprintf(stderr, "%s: %s\n", what, strerror(-error));
  exit(1);
}

static void add_rule(scmp_filter_ctx filter, char* line, uint32_t default_action) {
  char name[64];
  uint32_t action;
  int used;
  if (sscanf(line, "%" SCNu32 " %63s%n", &action, name, &used) != 2) die(line, -22);
  if (action == default_action) return;
  struct scmp_arg_cmp args[6];
  unsigned count = 0;
  int more;
  for (char* at = line + used; count < 6; at += more, count++) {
    unsigned index, operation;
    uint64_t a, b;
    if (sscanf(at, "%u %u %" SCNu64 " %" SCNu64 "%n", &index, &operation, &a, &b, &more) != 4) break;
    args[count] = (struct scmp_arg_cmp){index, operation, a, b};
  }
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) {
    // The test has to know which ones.
    fprintf(stderr, "unknown %s\n", name);
    return;
  }
  const int error = seccomp_rule_add_array(filter, action, number, count, args);
  if (error != 0 && error != -EDOM) die(line, error);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const uint32_t default_action = (uint32_t)strtoul(argv[1], NULL, 10);
  scmp_filter_ctx filter = seccomp_init(default_action);
  if (filter == NULL) return 1;
  seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  char line[4096];
  int is_first = 1;
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "arch ", 5) == 0) {
      const uint32_t arch = seccomp_arch_resolve_name(line + 5);
      if (is_first && arch != seccomp_arch_native()) seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
      const int error = seccomp_arch_exist(filter, arch) == 0 ? 0 : seccomp_arch_add(filter, arch);
      if (error != 0) die(line, error);
      is_first = 0;
    } else if (strncmp(line, "rule ", 5) == 0) {
      add_rule(filter, line + 5, default_action);
    }
  }
  const int error = seccomp_export_bpf(filter, STDOUT_FILENO);
  if (error != 0) die("export", error);
  return 0;
}
