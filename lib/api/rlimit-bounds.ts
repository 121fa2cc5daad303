import { readFileSync } from 'node:fs';
import { CloisterError, invalidOption } from '../errors.js';
import { capabilitiesOf } from '../security/capabilities.js';
import { ownHardLimit, type RlimitName, type RlimitValue } from '../security/rlimits.js';

/** What this host lets an application give to a process, as texts of the kernel. */
export interface RlimitBounds {
  /** `/proc/sys/fs/nr_open`: nobody may have more open files, proc_sys_fs(5). */
  readonly nrOpen: string;
  /** `/proc/self/limits` of the application. */
  readonly ownLimits: string;
  /** `/proc/self/status` of the application. */
  readonly ownStatus: string;
}

function read(): RlimitBounds {
  const text = (path: string): string => readFileSync(path, 'latin1');
  return {
    nrOpen: text('/proc/sys/fs/nr_open'),
    ownLimits: text('/proc/self/limits'),
    ownStatus: text('/proc/self/status'),
  };
}

function mayRaise({ ownStatus }: RlimitBounds): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(ownStatus)?.[1] ?? '0';
  return new Set<string>(capabilitiesOf(BigInt(`0x${mask}`))).has('CAP_SYS_RESOURCE');
}

/**
 * Refuses what prlimit(2) would refuse once the sandbox is made.
 *
 * @param option - as the caller wrote it: `limits.files`.
 * @param isHostUser - whether the sandbox has the host's user namespace: CAP_SYS_RESOURCE of any other does not raise hard limits.
 * @throws CloisterError `ERR_INVALID_OPTION` for what nobody may have, `ERR_PERMISSION` for what the application has not itself.
 */
export function checkRlimitBound(
  option: string,
  name: RlimitName,
  { hard }: RlimitValue,
  isHostUser: boolean,
  bounds: RlimitBounds = read(),
): void {
  const nrOpen = Number(bounds.nrOpen);
  if (name === 'nofile' && hard > nrOpen) {
    const hint = 'the administrator of this host can raise it: sysctl fs.nr_open';
    throw invalidOption(option, `at most ${nrOpen}, /proc/sys/fs/nr_open of this host`, hard, hint);
  }
  const own = ownHardLimit(name, bounds.ownLimits);
  if (hard <= own || (isHostUser && mayRaise(bounds))) return;
  throw new CloisterError('ERR_PERMISSION', `${option}: expected at most ${own}, this application's own, got ${hard}`, {
    subject: option,
    hint: isHostUser
      ? 'more needs CAP_SYS_RESOURCE, or start the application with a higher hard limit (ulimit -H, prlimit(1), systemd: LimitNOFILE= and the like)'
      : 'start the application with a higher hard limit (ulimit -H, prlimit(1), systemd: LimitNOFILE= and the like)',
  });
}
