import type { Capability } from '../capabilities.js';
import {
  ALLOW,
  ANYWHERE,
  ENOSYS,
  EPERM,
  type SeccompCondition,
  type SeccompPolicy,
  type SeccompRule,
  type SeccompScope,
} from './policy.js';

/** What every program may call, by what it is about. */
export const ALWAYS_ALLOWED = {
  files: `
    access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync flock fstat fstat64
    fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown lchown32 link linkat
    _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64
    preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile
    sendfile64 splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64
    umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev statmount listmount`,
  attributes: `
    fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr lremovexattr
    lsetxattr removexattr removexattrat setxattr setxattrat`,
  watching: `
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
    fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect poll ppoll ppoll_time64 pselect6
    pselect6_time64 select signalfd signalfd4`,
  asynchronous: `
    io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit`,
  memory: `
    brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect
    mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages`,
  processes: `
    capget capset execve execveat exit exit_group fork getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid
    gettid get_robust_list get_thread_area ioprio_get ioprio_set kill pause pidfd_open pidfd_send_signal prctl prlimit64
    restart_syscall rseq sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
    sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield seccomp setpgid setpriority setrlimit set_robust_list setsid set_thread_area set_tid_address
    tgkill times tkill ugetrlimit uretprobe vfork wait4 waitid waitpid landlock_add_rule landlock_create_ruleset
    landlock_restrict_self riscv_hwprobe`,
  users: `
    getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid getresuid32 getuid
    getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid
    setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32`,
  signals: `
    alarm getitimer rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo setitimer sigaltstack sigprocmask sigreturn`,
  locks: `
    futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake`,
  time: `
    adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 gettimeofday nanosleep time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
    timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64`,
  sockets: `
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg send
    sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`,
  ipc: `
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl
    msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`,
  system: `
    getrandom sysinfo uname`,
} as const;

/** What a capability adds; its holder could do as much damage without these. */
export const BY_CAPABILITY: Partial<Record<Capability, string>> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN: `
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
    lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname
    setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

/** What a processor's own instructions need. */
export const BY_ARCHITECTURE: Readonly<Record<string, string>> = {
  amd64: 'arch_prctl modify_ldt',
  arm64: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls',
};

/** Every `CLONE_NEW*` that clone(2) takes: 7E020000. A thread or a plain child has none. */
const NEW_NAMESPACES = 0x7e02_0000n;

/** `PER_LINUX`, `PER_LINUX32`, both with `UNAME26`, and "tell me", personality(2). */
const PERSONALITIES = [0x0n, 0x8n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn];

/** socket(2): every family but AF_ALG (38) and AF_VSOCK (40), which reach the kernel's crypto code and the hypervisor. */
const SOCKET_FAMILIES: readonly Pick<SeccompCondition, 'operator' | 'value'>[] = [
  { operator: 'LT', value: 38n },
  { operator: 'EQ', value: 39n },
  { operator: 'GT', value: 40n },
];

const NOT_ADMIN: SeccompScope = { ...ANYWHERE, capabilities: ['CAP_SYS_ADMIN'] };

function rule(names: string, more: Partial<SeccompRule> = {}): SeccompRule {
  return {
    names: names.trim().split(/\s+/),
    verdict: ALLOW,
    conditions: [],
    includes: ANYWHERE,
    excludes: ANYWHERE,
    ...more,
  };
}

function first(condition: Partial<SeccompCondition>): readonly SeccompCondition[] {
  return [{ index: 0, operator: 'EQ', value: 0n, datum: 0n, ...condition }];
}

/**
 * The allow-list of every sandbox: Docker's, github.com/moby/profiles at seccomp/v0.2.3, in effect.
 *
 * Two differences, both tested: a system call that is newer than all of these gets ENOSYS instead of EPERM, so that programs fall
 * back to an older one; and the family of socket(2) is compared as the 32 bits that the kernel looks at, where a comparison of 64
 * lets AF_ALG pass with anything in the upper half.
 */
export const DEFAULT_POLICY: SeccompPolicy = {
  defaultVerdict: EPERM,
  newer: 'than-profile',
  architectures: 'compatible',
  flags: 0,
  rules: [
    ...Object.values(ALWAYS_ALLOWED).map((names) => rule(names)),
    // Before 4.8 ptrace(2) could change a system call after the filter had seen it.
    rule('process_vm_readv process_vm_writev ptrace', { includes: { ...ANYWHERE, minKernel: [4, 8] } }),
    ...SOCKET_FAMILIES.map((family) => rule('socket', { conditions: first({ ...family, isInt: true }) })),
    ...PERSONALITIES.map((value) => rule('personality', { conditions: first({ value }) })),
    ...Object.entries(BY_ARCHITECTURE).map(([name, names]) =>
      rule(names, { includes: { ...ANYWHERE, architectures: [name] } }),
    ),
    ...Object.entries(BY_CAPABILITY).map(([name, names]) =>
      rule(names, { includes: { ...ANYWHERE, capabilities: [name as Capability] } }),
    ),
    rule('clone', { conditions: first({ operator: 'MASKED_EQ', value: NEW_NAMESPACES }), excludes: NOT_ADMIN }),
    // Its flags are in memory, where no filter can look: the C library shall use clone(2).
    rule('clone3', { verdict: ENOSYS, excludes: NOT_ADMIN }),
  ],
};
