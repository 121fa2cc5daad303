/** Reads and writes per second of one block device. */
export interface IoLimits {
  readonly readBps?: number;
  readonly writeBps?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  /** Share of a contended disk, 1..10000, default 100. Needs the BFQ scheduler or iocost. */
  readonly weight?: number;
  /** `MAJ:MIN` of the disk that the rates are about; default: the disk behind the state directory. */
  readonly device?: string;
}

/**
 * One line of a device list, as in the OCI runtime specification, `linux.resources.devices`.
 * Rules apply in order to a list that starts as "deny everything".
 */
export interface DeviceRule {
  readonly allow: boolean;
  /** `a` is every device: it takes no numbers and replaces all rules before it. */
  readonly type: 'a' | 'b' | 'c';
  /** Undefined is every number. */
  readonly major?: number;
  readonly minor?: number;
  /** Any of `r`, `w` and `m` (mknod). */
  readonly access: string;
}

/**
 * What a group may use. An absent field is not limited and costs nothing; `Infinity` takes a limit away again in `update()`.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html
 */
export interface CgroupLimits {
  readonly memoryBytes?: number;
  /** On top of `memoryBytes`; 0 is no swap at all. */
  readonly swapBytes?: number;
  /** Processor time per wall-clock time: 0.5 is half a processor, 2 is two. At least 0.01. */
  readonly cpus?: number;
  /** Share of contended processors, 1..10000, default 100. */
  readonly cpuWeight?: number;
  /** Processors by number, `0-2,4`. */
  readonly cpuset?: string;
  /** NUMA nodes by number. */
  readonly cpusetMems?: string;
  /** Processes and threads together, those that the sandbox itself needs included. */
  readonly pids?: number;
  readonly io?: IoLimits;
  readonly devices?: readonly DeviceRule[];
  /** Bytes of huge pages by the size the kernel's files are named after: `{ '2MB': 0 }`. */
  readonly hugetlb?: Readonly<Record<string, number>>;
}

export type LimitName = keyof CgroupLimits;

/** A limit that this host cannot enforce. */
export interface UnmetLimit {
  readonly limit: LimitName;
  /** The kernel's name of the controller. */
  readonly controller: string;
  readonly reason: string;
  readonly remedy: string;
}
