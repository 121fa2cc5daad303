/* Doors that are files: of the kernel's file systems, of init, of devices. */
#define _GNU_SOURCE
#include "doors.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Writes what is there already, so that an open door does no harm. */
static int writes(const char* path) {
  char text[4096] = "0";
  int fd = open(path, O_RDONLY);
  if (fd >= 0) {
    ssize_t n = read(fd, text, sizeof text);
    if (n <= 0) strcpy(text, "0");
    close(fd);
  }
  fd = open(path, O_WRONLY | O_NONBLOCK);
  return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

static int opens_for_writing(const char* path) { return open(path, O_WRONLY | O_NONBLOCK) >= 0; }

static int has_content(const char* path) {
  char bytes[8]; /* kpageflags gives no less */
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  return fd >= 0 && read(fd, bytes, sizeof bytes) > 0;
}

static int has_entries(const char* path) {
  DIR* directory = opendir(path);
  if (directory == NULL) return 0;
  int n = 0;
  while (readdir(directory) != NULL) n++;
  return n > 2;
}

static int exists(const char* path) { return access(path, F_OK) == 0; }
static int links(const char* path) {
  char target[256];
  return readlink(path, target, sizeof target) > 0;
}

#define DOOR(name, expression) \
  static int try_##name(void) { return expression; }

DOOR(core_pattern, writes("/proc/sys/kernel/core_pattern"))
DOOR(core_pattern_root, writes("/proc/self/root/proc/sys/kernel/core_pattern"))
DOOR(core_pattern_thread, writes("/proc/thread-self/root/proc/sys/kernel/core_pattern"))
DOOR(core_pattern_dots, writes("/proc/self/task/../../sys/kernel/core_pattern"))
DOOR(modprobe, writes("/proc/sys/kernel/modprobe"))
DOOR(hotplug, writes("/proc/sys/kernel/hotplug"))
DOOR(randomize, writes("/proc/sys/kernel/randomize_va_space"))
DOOR(ptrace_scope, writes("/proc/sys/kernel/yama/ptrace_scope"))
DOOR(ns_last_pid, writes("/proc/sys/kernel/ns_last_pid"))
DOOR(file_max, writes("/proc/sys/fs/file-max"))
DOOR(overcommit, writes("/proc/sys/vm/overcommit_memory"))
DOOR(panic_on_oom, writes("/proc/sys/vm/panic_on_oom"))
DOOR(user_limits, writes("/proc/sys/user/max_user_namespaces"))
DOOR(ip_forward, writes("/proc/sys/net/ipv4/ip_forward"))
DOOR(binfmt, opens_for_writing("/proc/sys/fs/binfmt_misc/register"))
DOOR(sysrq, opens_for_writing("/proc/sysrq-trigger"))
DOOR(sysrq_root, opens_for_writing("/proc/self/root/proc/sysrq-trigger"))
DOOR(irq, writes("/proc/irq/default_smp_affinity"))
DOOR(mtrr, opens_for_writing("/proc/mtrr"))
DOOR(kcore, has_content("/proc/kcore"))
DOOR(kmsg, has_content("/proc/kmsg"))
DOOR(keys, has_content("/proc/keys"))
DOOR(timer_list, has_content("/proc/timer_list"))
DOOR(interrupts, has_content("/proc/interrupts"))
DOOR(sched_debug, has_content("/proc/sched_debug"))
DOOR(kpageflags, has_content("/proc/kpageflags"))
DOOR(vmallocinfo, has_content("/proc/vmallocinfo"))
DOOR(acpi, has_entries("/proc/acpi"))
DOOR(scsi, has_entries("/proc/scsi"))

static int try_kallsyms(void) {
  char line[256];
  FILE* file = fopen("/proc/kallsyms", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strtoull(line, NULL, 16) != 0) return 1;
  }
  return 0;
}

DOOR(init_environ, has_content("/proc/1/environ"))
DOOR(init_maps, has_content("/proc/1/maps"))
DOOR(init_mem, open("/proc/1/mem", O_RDONLY) >= 0)
DOOR(init_mem_write, open("/proc/1/mem", O_RDWR) >= 0)
DOOR(init_auxv, has_content("/proc/1/auxv"))
DOOR(init_stack, has_content("/proc/1/stack"))
DOOR(init_syscall, has_content("/proc/1/syscall"))
DOOR(init_root, has_entries("/proc/1/root"))
DOOR(init_cwd, links("/proc/1/cwd"))
DOOR(init_exe, links("/proc/1/exe"))
DOOR(init_exe_write, open("/proc/1/exe", O_WRONLY) >= 0 || open("/proc/1/exe", O_RDWR) >= 0)
DOOR(init_fds, has_entries("/proc/1/fd"))
DOOR(init_fdinfo, has_entries("/proc/1/fdinfo"))
DOOR(init_map_files, has_entries("/proc/1/map_files"))
DOOR(init_ns, open("/proc/1/ns/mnt", O_RDONLY) >= 0)
DOOR(init_oom, writes("/proc/1/oom_score_adj"))
DOOR(init_comm, writes("/proc/1/comm"))
DOOR(init_fd_open, open("/proc/1/fd/4", O_WRONLY | O_NONBLOCK) >= 0)
DOOR(init_timerslack, writes("/proc/1/timerslack_ns"))
DOOR(init_clear_refs, opens_for_writing("/proc/1/clear_refs"))

static int map_write(const char* path) {
  int fd = open(path, O_WRONLY);
  return fd >= 0 && write(fd, "0 0 4294967295\n", 15) == 15;
}
DOOR(uid_map, map_write("/proc/self/uid_map"))
DOOR(gid_map, map_write("/proc/self/gid_map"))
DOOR(init_uid_map, map_write("/proc/1/uid_map"))

static int write_all(const char* path, const char* text) {
  int fd = open(path, O_WRONLY);
  return fd >= 0 && write(fd, text, strlen(text)) > 0;
}
DOOR(setgroups, write_all("/proc/self/setgroups", "deny"))
DOOR(timens, write_all("/proc/self/timens_offsets", "monotonic 1 0"))
DOOR(oom_score, write_all("/proc/self/oom_score_adj", "-900"))

DOOR(uevent_helper, opens_for_writing("/sys/kernel/uevent_helper"))
DOOR(hugepages, writes("/sys/kernel/mm/transparent_hugepage/enabled"))
DOOR(ksm, writes("/sys/kernel/mm/ksm/run"))
DOOR(power_state, opens_for_writing("/sys/power/state"))
DOOR(cpu_online, opens_for_writing("/sys/devices/system/cpu/cpu0/online"))
DOOR(module_parameter, writes("/sys/module/kernel/parameters/panic"))
DOOR(profiling, opens_for_writing("/sys/kernel/profiling"))
DOOR(sysfs_root, writes("/proc/self/root/sys/kernel/mm/ksm/run"))
DOOR(firmware, has_entries("/sys/firmware"))
DOOR(powercap, has_entries("/sys/devices/virtual/powercap"))
DOOR(debugfs, has_entries("/sys/kernel/debug"))
DOOR(tracefs, has_entries("/sys/kernel/tracing"))
DOOR(securityfs, has_entries("/sys/kernel/security"))
DOOR(bpffs, has_entries("/sys/fs/bpf"))
DOOR(efivars, has_entries("/sys/firmware/efi/efivars"))
DOOR(cgroupfs, has_entries("/sys/fs/cgroup"))

static int found;
/* The list of its own group's processes is delegated on v2, so that init can start commands there; it is the root of what it sees. */
static int note_writable(const char* path, const struct stat* about, int type, struct FTW* at) {
  (void)at;
  if (strcmp(path, "/sys/fs/cgroup/cgroup.procs") == 0) return found;
  if (type == FTW_F && (about->st_mode & 0222) != 0 && access(path, W_OK) == 0) found = 1;
  return found;
}
static int try_any_writable_in_sys(void) {
  nftw("/sys", note_writable, 64, FTW_PHYS);
  return found;
}
static int note_agent(const char* path, const struct stat* about, int type, struct FTW* at) {
  (void)about;
  (void)type;
  if (strcmp(path + at->base, "release_agent") == 0) found = 1;
  return found;
}
static int try_release_agent(void) {
  nftw("/sys", note_agent, 64, FTW_PHYS);
  return found;
}

DOOR(dev_mem, exists("/dev/mem") || exists("/dev/kmem") || exists("/dev/port"))
DOOR(dev_kmsg, exists("/dev/kmsg"))
DOOR(dev_console, exists("/dev/console"))
DOOR(dev_disk, exists("/dev/vda") || exists("/dev/sda") || exists("/dev/nvme0n1") || exists("/dev/dm-0"))
DOOR(dev_fuse, exists("/dev/fuse") || exists("/dev/net/tun") || exists("/dev/loop-control"))
DOOR(dev_kvm, exists("/dev/kvm") || exists("/dev/vhost-net") || exists("/dev/cpu/0/msr"))
DOOR(dev_write, open("/dev/cloister-door", O_CREAT | O_WRONLY, 0600) >= 0)
DOOR(dev_chmod, chmod("/dev/null", 0600) == 0)
DOOR(dev_tty, open("/dev/tty", O_RDWR) >= 0)
DOOR(foreign_terminal, exists("/dev/pts/0"))

static int uses_node(mode_t kind, dev_t device, const char* path) {
  unlink(path);
  return mknod(path, kind | 0600, device) == 0 && open(path, O_RDONLY | O_NONBLOCK) >= 0;
}
DOOR(mknod_mem, uses_node(S_IFCHR, makedev(1, 1), "/tmp/door-mem"))
DOOR(mknod_null, uses_node(S_IFCHR, makedev(1, 3), "/tmp/door-null"))
DOOR(mknod_disk, uses_node(S_IFBLK, makedev(254, 0), "/tmp/door-disk") || uses_node(S_IFBLK, makedev(8, 0), "/tmp/door-disk"))
DOOR(shadow, has_content("/etc/shadow") || has_content("/etc/gshadow") || has_entries("/etc/ssl/private"))
DOOR(host_homes, has_entries("/root") || has_entries("/var/lib/cloister") || has_entries("/run/cloister"))

static int try_descriptors(void) {
  for (int fd = 3; fd < 1024; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) return 1;
  }
  return 0;
}

static int try_cwd_outside(void) {
  char path[4096];
  return getcwd(path, sizeof path) == NULL || path[0] != '/';
}

#define NAMED(name) {#name, try_##name}
static const struct door doors[] = {
    NAMED(core_pattern),  NAMED(core_pattern_root), NAMED(core_pattern_thread), NAMED(core_pattern_dots), NAMED(modprobe),
    NAMED(hotplug),       NAMED(randomize),         NAMED(ptrace_scope),        NAMED(ns_last_pid),       NAMED(file_max),
    NAMED(overcommit),    NAMED(panic_on_oom),      NAMED(user_limits),         NAMED(ip_forward),        NAMED(binfmt),
    NAMED(sysrq),         NAMED(sysrq_root),        NAMED(irq),                 NAMED(mtrr),              NAMED(kcore),
    NAMED(kmsg),          NAMED(keys),              NAMED(timer_list),          NAMED(interrupts),        NAMED(sched_debug),
    NAMED(kpageflags),    NAMED(vmallocinfo),       NAMED(acpi),                NAMED(scsi),              NAMED(kallsyms),
    NAMED(init_environ),  NAMED(init_maps),         NAMED(init_mem),            NAMED(init_mem_write),    NAMED(init_auxv),
    NAMED(init_stack),    NAMED(init_syscall),      NAMED(init_root),           NAMED(init_cwd),          NAMED(init_exe),
    NAMED(init_exe_write), NAMED(init_fds),         NAMED(init_fdinfo),         NAMED(init_map_files),    NAMED(init_ns),
    NAMED(init_oom),      NAMED(init_comm),         NAMED(init_fd_open),        NAMED(init_timerslack),   NAMED(init_clear_refs),
    NAMED(uid_map),       NAMED(gid_map),           NAMED(init_uid_map),      NAMED(setgroups),
    NAMED(timens),        NAMED(oom_score),           NAMED(uevent_helper),     NAMED(hugepages),
    NAMED(ksm),           NAMED(power_state),       NAMED(cpu_online),          NAMED(module_parameter),  NAMED(profiling),
    NAMED(sysfs_root),    NAMED(firmware),          NAMED(powercap),            NAMED(debugfs),           NAMED(tracefs),
    NAMED(securityfs),    NAMED(bpffs),             NAMED(efivars),             NAMED(cgroupfs),          NAMED(any_writable_in_sys),
    NAMED(release_agent), NAMED(dev_mem),           NAMED(dev_kmsg),            NAMED(dev_console),       NAMED(dev_disk),
    NAMED(dev_fuse),      NAMED(dev_kvm),           NAMED(dev_write),           NAMED(dev_chmod),         NAMED(dev_tty),
    NAMED(foreign_terminal), NAMED(mknod_mem),      NAMED(mknod_null),          NAMED(mknod_disk),        NAMED(shadow),
    NAMED(host_homes),    NAMED(descriptors),       NAMED(cwd_outside),
};

int main(void) { return walk(doors, sizeof doors / sizeof doors[0]); }
