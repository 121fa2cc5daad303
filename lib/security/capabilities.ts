/** In the kernel's order, capabilities(7): the index is the number. */
export const CAPABILITIES = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_KILL', 'CAP_SETGID',
  'CAP_SETUID', 'CAP_SETPCAP', 'CAP_LINUX_IMMUTABLE', 'CAP_NET_BIND_SERVICE', 'CAP_NET_BROADCAST', 'CAP_NET_ADMIN',
  'CAP_NET_RAW', 'CAP_IPC_LOCK', 'CAP_IPC_OWNER', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE', 'CAP_SYS_PACCT', 'CAP_SYS_ADMIN', 'CAP_SYS_BOOT', 'CAP_SYS_NICE', 'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME', 'CAP_SYS_TTY_CONFIG', 'CAP_MKNOD', 'CAP_LEASE', 'CAP_AUDIT_WRITE', 'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP', 'CAP_MAC_OVERRIDE', 'CAP_MAC_ADMIN', 'CAP_SYSLOG', 'CAP_WAKE_ALARM', 'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ', 'CAP_PERFMON', 'CAP_BPF', 'CAP_CHECKPOINT_RESTORE',
] as const; // prettier-ignore

/** As capabilities(7) names it: `CAP_NET_RAW`. */
export type Capability = (typeof CAPABILITIES)[number];

/** How much a sandbox may do at most; each is also a set of starting capabilities. */
export type SecurityProfile = 'strict' | 'default' | 'privileged';

/**
 * What a command may do inside its user namespace. `default` is Docker's list without CAP_MKNOD, CAP_NET_RAW and
 * CAP_AUDIT_WRITE, which no ordinary program needs.
 */
export const PROFILE_CAPABILITIES: Readonly<Record<SecurityProfile, readonly Capability[]>> = {
  strict: [],
  default: [
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_FOWNER',
    'CAP_FSETID',
    'CAP_KILL',
    'CAP_NET_BIND_SERVICE',
    'CAP_SETFCAP',
    'CAP_SETGID',
    'CAP_SETPCAP',
    'CAP_SETUID',
    'CAP_SYS_CHROOT',
  ],
  privileged: CAPABILITIES,
};

/** Accepts `'NET_RAW'`, `'CAP_NET_RAW'` and lower case; undefined for an unknown name. */
export function capabilityName(name: string): Capability | undefined {
  const upper = name.toUpperCase();
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  return CAPABILITIES.find((capability) => capability === full);
}

/** As the kernel's bit mask. */
export function capabilityMask(capabilities: Iterable<Capability>): bigint {
  let mask = 0n;
  for (const capability of capabilities) mask |= 1n << BigInt(CAPABILITIES.indexOf(capability));
  return mask;
}

export function capabilitiesOf(mask: bigint): Capability[] {
  return CAPABILITIES.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n);
}

/** The profile's set, changed: `drop` first (`ALL` empties it), then `add` (`ALL` fills it). */
export function grantedCapabilities(
  profile: SecurityProfile,
  add: readonly (Capability | 'ALL')[],
  drop: readonly (Capability | 'ALL')[],
): ReadonlySet<Capability> {
  const granted = new Set<Capability>(drop.includes('ALL') ? [] : PROFILE_CAPABILITIES[profile]);
  for (const capability of drop) if (capability !== 'ALL') granted.delete(capability);
  for (const capability of add) {
    if (capability === 'ALL') for (const each of CAPABILITIES) granted.add(each);
    else granted.add(capability);
  }
  return granted;
}
