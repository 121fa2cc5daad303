import { CloisterError } from '../errors.js';
import { errnoName } from '../native/errno.js';
import { kernelError } from '../native/kernel.js';
import type { Refusal, Stage } from '../native/status.js';
import { RLIMITS } from '../security/rlimits.js';

/** execve(2): the file is there, and the kernel will not run it. EPERM: it has file capabilities that the sandbox does not. */
const NOT_EXECUTABLE = ['EACCES', 'EINVAL', 'EISDIR', 'ELIBBAD', 'ELOOP', 'ENOEXEC', 'ENOTDIR', 'EPERM', 'ETXTBSY'];

/** Where the launcher looks names up: the entry is missing in the file (`passwd(5)`), or the file itself is. */
const ACCOUNT_FILES: Readonly<Record<string, readonly [kind: string, file: string, isThere: boolean]>> = {
  'passwd(5)': ['user', '/etc/passwd', true],
  'group(5)': ['group', '/etc/group', true],
  '/etc/passwd': ['user', '/etc/passwd', false],
  '/etc/group': ['group', '/etc/group', false],
};

const SWITCHES = ['setgroups(2)', 'setresgid(2)', 'setresuid(2)'];

/** Numbers of the caller's own were looked at before: these stand in the sandbox's files, or are the image's. */
function notMapped({ syscall }: Refusal, errno: string): CloisterError | undefined {
  if (errno !== 'EINVAL' || !SWITCHES.includes(syscall)) return undefined;
  const message = `the user has an id that the sandbox does not have: ${syscall}: ${errno}`;
  return new CloisterError('ERR_USER_NOT_FOUND', message, {
    syscall,
    errno,
    subject: 'user',
    hint: "its ids, in the sandbox's /etc/passwd and /etc/group or as the image's User, must be in the map of security.userNamespace (by default 0 to 65535)",
  });
}

function noSuchUser(refusal: Refusal, errno: string): CloisterError | undefined {
  const { syscall, subject } = refusal;
  const found = ACCOUNT_FILES[syscall];
  if (subject in ACCOUNT_FILES) {
    const message = `names cannot be looked up in the sandbox, ${subject} is no file that can be read: ${syscall}: ${errno}`;
    return new CloisterError('ERR_USER_NOT_FOUND', message, {
      syscall,
      errno,
      subject,
      hint: "give a number, or put a file into its place: the sandbox's root has something else there",
    });
  }
  if (found === undefined) return notMapped(refusal, errno);
  const [kind, file, isThere] = found;
  return new CloisterError('ERR_USER_NOT_FOUND', `no ${kind} ${JSON.stringify(subject)} in the sandbox`, {
    subject,
    hint: isThere
      ? `give a number, or a name from the sandbox's own ${file}`
      : `the sandbox's root has no ${file}, in which names are looked up: give a number`,
  });
}

/** The path below /proc/sys, as the option names it. */
function sysctlRefused({ syscall, subject }: Refusal, errno: string): CloisterError | undefined {
  const name = /^proc\/sys\/(.+)$/.exec(subject)?.[1]?.replaceAll('/', '.');
  if (name === undefined) return undefined;
  const option = `sysctls.${name}`;
  const facts = { syscall, errno, subject: option };
  if (['ENOENT', 'EISDIR', 'ENOTDIR'].includes(errno)) {
    return new CloisterError('ERR_INVALID_OPTION', `${option}: there is no such kernel parameter: ${errno}`, {
      ...facts,
      hint: 'compare the spelling with `sysctl -a` on the host; it may belong to a part of the kernel that is not loaded',
    });
  }
  if (!['EINVAL', 'ERANGE', 'EOVERFLOW'].includes(errno)) return undefined;
  return new CloisterError('ERR_INVALID_OPTION', `${option}: the kernel does not take the value: ${errno}`, {
    ...facts,
    hint: 'it is of the wrong kind or out of range; `sysctl` on the host shows what a value looks like',
  });
}

/** Where the image has a file on the way, or a directory is to lie on a file or the other way round. */
function isWrongTarget({ syscall, subject }: Refusal, errno: string): boolean {
  if (subject === '/' || subject === '') return false;
  return (syscall === 'move_mount(2)' && errno === 'EINVAL') || (syscall === 'openat2(2)' && errno === 'ENOTDIR');
}

/** clone3(2): the group of the sandbox refuses another process, or (without one) the host does. */
function noProcess({ syscall, subject }: Refusal, errno: string): CloisterError | undefined {
  if (syscall !== 'clone3(2)' || subject !== 'command' || errno !== 'EAGAIN') return undefined;
  const message = `no process for the command, limits.pids is used up: ${syscall} ${subject}: ${errno}`;
  return new CloisterError('ERR_KERNEL', message, {
    syscall,
    errno,
    subject: 'limits.pids',
    hint: 'end processes of the sandbox (box.processes() lists them), or allow more: box.update({ pids }) or limits.pids; if fewer are running, the host itself has none left (kernel.pid_max, kernel.threads-max)',
  });
}

/** What a failed stage means to a person; stages that are not here are plain kernel errors. */
const MEANINGS: Partial<Record<Stage, (refusal: Refusal, errno: string) => CloisterError | undefined>> = {
  user: noSuchUser,
  cwd: (refusal, errno) =>
    new CloisterError('ERR_CWD_NOT_FOUND', `cannot enter the working directory ${refusal.subject}: ${errno}`, {
      syscall: refusal.syscall,
      errno,
      subject: refusal.subject,
      hint: 'cwd is a path inside the sandbox that the user of the command may enter',
    }),
  cgroup: noProcess,
  sysctl: sysctlRefused,
  exec: (refusal, errno) => {
    const facts = { syscall: refusal.syscall, errno, subject: refusal.subject };
    if (errno === 'E2BIG') {
      return new CloisterError(
        'ERR_INVALID_OPTION',
        `command and env are too long to start ${refusal.subject}: ${errno}`,
        {
          ...facts,
          subject: 'command',
          hint: 'together they may have a quarter of the stack limit, at most 6 MiB (execve(2)): give the rest as stdin or in a file, or raise rlimits.stack',
        },
      );
    }
    if (errno === 'ENOENT') {
      return new CloisterError('ERR_COMMAND_NOT_FOUND', `command not found in the sandbox: ${refusal.subject}`, {
        ...facts,
        hint: 'the program, or the interpreter its first line names, must exist inside; names without / are looked up in PATH',
      });
    }
    if (!NOT_EXECUTABLE.includes(errno)) return undefined;
    return new CloisterError(
      'ERR_COMMAND_NOT_EXECUTABLE',
      `not executable in the sandbox: ${refusal.subject}: ${errno}`,
      {
        ...facts,
        hint: "it needs the x permission, a mount without noexec, this machine's architecture, and an interpreter that exists",
      },
    );
  },
  mount: (refusal, errno) => {
    const facts = { syscall: refusal.syscall, errno, subject: refusal.subject };
    // `kMisplaced` of addon/launcher/filesystem.cc.
    if (refusal.syscall === 'mount target') {
      const where = errno === 'ENOENT' ? 'that leads nowhere in it' : 'into its /proc, /sys or /dev';
      const message = `mount target /${refusal.subject} of the sandbox's root passes a link ${where}`;
      return new CloisterError('ERR_IMAGE_INVALID', message, {
        ...facts,
        hint: 'mount at a path that the image does not link elsewhere',
      });
    }
    const isKernels = /^(proc|sys|dev)(\/|$)/.test(refusal.subject);
    if (!isKernels && isWrongTarget(refusal, errno)) {
      const message = `mount target /${refusal.subject}: a file is in the way, or source and target are not of one kind: ${errno}`;
      return new CloisterError('ERR_INVALID_OPTION', message, {
        ...facts,
        subject: `/${refusal.subject}`,
        hint: 'a directory or a tmpfs is mounted on a directory, a file on a file; what is not there yet is made',
      });
    }
    if (!isKernels || !['ELOOP', 'ENOTDIR', 'EXDEV'].includes(errno)) return undefined;
    return new CloisterError(
      'ERR_IMAGE_INVALID',
      `/${refusal.subject} is no directory in the sandbox's root: ${errno}`,
      {
        ...facts,
        hint: 'the image must have /proc, /sys and /dev as directories, or not at all: remove what is there and make the image again',
      },
    );
  },
  rlimit: (refusal, errno) => {
    const name = Object.entries(RLIMITS).find(([, number]) => String(number) === refusal.subject)?.[0];
    if (name === undefined) return undefined;
    const option = `rlimits.${name}`;
    return new CloisterError('ERR_PERMISSION', `${option} cannot be set: ${refusal.syscall}: ${errno}`, {
      syscall: refusal.syscall,
      errno,
      subject: option,
      hint: `its hard limit may be no higher than that of the application was when it started its first sandbox${name === 'nofile' ? ', nor than /proc/sys/fs/nr_open' : ''}`,
    });
  },
  source: (refusal, errno) => {
    if (refusal.subject !== 'idmapped mount') return undefined;
    return new CloisterError(
      'ERR_UNSUPPORTED',
      `the image's file system cannot map ids: ${refusal.syscall}: ${errno}`,
      {
        syscall: refusal.syscall,
        errno,
        hint: "put the directory on ext4, xfs, btrfs or (kernel 6.3 or later) tmpfs, or use security: { userNamespace: 'host' }",
      },
    );
  },
};

/** A start that was refused, as the error that the caller gets. */
export function refusalError(refusal: Refusal): CloisterError {
  const errno = errnoName(refusal.errno);
  const meant = MEANINGS[refusal.stage]?.(refusal, errno);
  return (
    meant ??
    kernelError(refusal, `while the sandbox was at stage '${refusal.stage}'; Host.doctor() shows what this host lacks`)
  );
}

export function launcherDied(): CloisterError {
  return new CloisterError('ERR_LAUNCHER', 'the launcher was killed, and every sandbox with it', {
    hint: 'the next start makes another launcher; see whether the kernel killed it for memory (dmesg)',
  });
}
