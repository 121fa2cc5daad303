// Linked into the launcher of a build with CLOISTER_SANITIZE: lets a report of AddressSanitizer or UndefinedBehaviorSanitizer
// out of processes that have no file system, no standard error and no descriptor of their own left.
//
// A file is mapped before main(), while its path still leads somewhere. The mapping outlives pivot_root(2) and close_range(2), is
// inherited by every init and shared by commands until their execve(2). Whatever is written there has failed the run:
// scripts/test-native.sh looks.
#include <fcntl.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr size_t kCapacity = 1 << 20;

struct Report {
  char* text = nullptr;
  size_t* used = nullptr;  // by all processes that inherited it
};
Report report;

void Append(const char* text) {
  if (report.text == nullptr) return;
  const size_t length = strlen(text);
  const size_t at = __atomic_fetch_add(report.used, length + 1, __ATOMIC_RELAXED);
  if (at + length + 1 >= kCapacity) return;
  memcpy(report.text + at, text, length);
  report.text[at + length] = '\n';
}

void OnDeath() { Append("a sanitizer ended a process of the launcher"); }

__attribute__((constructor)) void Open() {
  char path[4096];
  snprintf(path, sizeof path, "%s/launcher-%d", CLOISTER_SANITIZER_REPORTS, getpid());
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, kCapacity) != 0) __builtin_trap();
  void* text = mmap(nullptr, kCapacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* used = mmap(nullptr, sizeof *report.used, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (text == MAP_FAILED || used == MAP_FAILED) __builtin_trap();
  close(fd);
  report = {static_cast<char*>(text), static_cast<size_t*>(used)};
  __asan_set_error_report_callback(Append);
  __asan_set_death_callback(OnDeath);
}

// LeakSanitizer, which comes after this, knows a descriptor only. The file of a mapping can be opened again without its path, proc(5).
__attribute__((destructor)) void Reopen() {
  char path[64];
  const auto at = reinterpret_cast<unsigned long>(report.text);
  snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", at, at + kCapacity);
  const int fd = open(path, O_WRONLY | O_APPEND);
  // The interface wants the number in a pointer. NOLINTNEXTLINE(performance-no-int-to-ptr)
  if (fd >= 0) __sanitizer_set_report_fd(reinterpret_cast<void*>(static_cast<uintptr_t>(fd)));
}

}  // namespace

extern "C" {

// The application starts its launcher without an environment, so ASAN_OPTIONS does not reach it.
// - there is no symbolizer within reach: addr2line makes names of the offsets afterwards
// - a command's init counts into its sandbox's memory limit, and a quarantine of 256 MiB with it
// - a fault is an ordinary death by SIGSEGV, as without sanitizers; the launcher resets all signals anyway
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the name is AddressSanitizer's
const char* __asan_default_options() {
  return "symbolize=0:quarantine_size_mb=1:malloc_context_size=10:handle_segv=0:handle_abort=0:detect_leaks=1:exitcode="
         "99";
}

// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
const char* __ubsan_default_options() { return "print_stacktrace=0:symbolize=0"; }

// compiler-rt/lib/ubsan/ubsan_monitor.h: called for each report, with a way to ask what it says.
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
void __ubsan_get_current_report_data(const char** kind, const char** message, const char** file, unsigned* line,
                                     unsigned* column, char** address);
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
void __ubsan_on_report() {
  const char *kind, *message, *file;
  unsigned line, column;
  char* address;
  __ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
  char text[1024];
  snprintf(text, sizeof text, "%s:%u:%u: %s: %s", file, line, column, kind, message);
  Append(text);
}
}
