import type { CommandFds, CommandPlan, DeviceNode, IdMapEntry, LaunchPlan, Source, Step } from './plan.js';
import { Writer } from './writer.js';

/** Mirror of `kPlanVersion`. */
const PLAN_VERSION = 1;
const NO_FD = 0xffffffff;
const NO_OPTIONS: readonly [string, string][] = [];

/** A message's body and the descriptors that its indices name. */
export interface Encoded {
  readonly body: Buffer;
  readonly fds: number[];
}

/** Collects descriptors; each gets the index under which the body names it. */
class FdTable {
  readonly fds: number[] = [];

  index(fd: number): number {
    return fd < 0 ? NO_FD : this.fds.push(fd) - 1;
  }
}

const SOURCE_KIND = { host: 0, tmpfs: 1, overlay: 2, dev: 3 } as const;
const IDMAP = { no: 0, yes: 1, 'if-possible': 2 } as const;
const STEP_KIND = { attach: 0, filesystem: 1, mask: 2, readonly: 3, sysctl: 4, directory: 5 } as const;
const NODE_KIND = { char: 'c', block: 'b', link: 'l', dir: 'l' } as const;

function writeIdMap(out: Writer, map: readonly IdMapEntry[]): void {
  out.list(map, (entry) => out.u32(entry.inside).u32(entry.outside).u32(entry.count));
}

function writeNode(out: Writer, node: DeviceNode): void {
  out.string(node.path).u8(NODE_KIND[node.kind].charCodeAt(0));
  out
    .u32(node.major ?? 0)
    .u32(node.minor ?? 0)
    .u32(node.mode ?? 0o755);
  out.string(node.kind === 'link' ? (node.target ?? '') : '');
}

function writeSource(out: Writer, source: Source, table: FdTable): void {
  out.u8(SOURCE_KIND[source.kind]).u64('attributes' in source ? source.attributes : 0n);
  out.u8(source.kind === 'host' ? IDMAP[source.idmap] : IDMAP.no).flag(source.kind === 'host' && source.recursive);
  switch (source.kind) {
    case 'host':
      out.u32(table.index(source.fd));
      break;
    case 'tmpfs':
      out.u64(BigInt(source.sizeBytes)).u64(BigInt(source.inodes)).u32(source.mode);
      break;
    case 'overlay':
      out
        .list(source.lowers, (lower) => out.u32(lower))
        .u32(source.upper)
        .string(source.upperName)
        .flag(source.unsynced);
      break;
    case 'dev':
      out.list(source.nodes, (node) => writeNode(out, node));
      break;
  }
}

function writeStep(out: Writer, step: Step): void {
  out.u8(STEP_KIND[step.kind]).string(step.path);
  out.u32(step.kind === 'attach' ? step.source : 0);
  out.u64(step.kind === 'filesystem' ? step.attributes : 0n);
  out.string(step.kind === 'filesystem' ? step.type : '');
  const options = step.kind === 'filesystem' && step.options !== undefined ? Object.entries(step.options) : NO_OPTIONS;
  out.list(options, ([key, value]) => out.string(key).string(value));
  out.string(step.kind === 'sysctl' ? step.value : '');
  out.flag(step.kind === 'mask' || step.kind === 'readonly');
  out.flag(step.kind === 'attach' && step.file === true);
  out.flag(step.kind === 'mask' || step.kind === 'readonly' || ('strict' in step && step.strict));
}

function writeCommand(out: Writer, plan: CommandPlan, fds: CommandFds, table: FdTable): void {
  out.u32(fds.id);
  out.list(plan.argv, (argument) => out.string(argument)).list(plan.env, (entry) => out.string(entry));
  out.string(plan.cwd).string(plan.user).string(plan.group).u32(plan.uid).u32(plan.gid);
  out.list(plan.groups, (gid) => out.u32(gid)).u32(plan.umask);
  const { bounding, effective, permitted, inheritable, ambient } = plan.capabilities;
  out.u64(bounding).u64(effective).u64(permitted).u64(inheritable).u64(ambient);
  out.flag(plan.noNewPrivileges).flag(plan.findHome).flag(fds.killRest);
  out.list(plan.rlimits, (limit) => out.u32(limit.resource).u64(limit.soft).u64(limit.hard));
  for (const fd of fds.stdio) out.u32(table.index(fd));
  out.u32(table.index(fds.cgroup)).list(fds.cgroupFiles, (fd) => out.u32(table.index(fd)));
  out
    .flag(plan.tty !== undefined)
    .u32(plan.tty?.columns ?? 0)
    .u32(plan.tty?.rows ?? 0);
}

/** @param control - the sandbox's end of its control socket. */
export function encodeLaunch(
  sandbox: number,
  plan: LaunchPlan,
  control: number,
  command: { readonly plan: CommandPlan; readonly fds: CommandFds } | undefined,
): Encoded {
  const out = new Writer();
  const table = new FdTable();
  out.u32(PLAN_VERSION).u32(sandbox).u64(plan.namespaces);
  writeIdMap(out, plan.uidMap);
  writeIdMap(out, plan.gidMap);
  out.u32(plan.nextRoot);
  out.string(plan.hostname).string(plan.domainname);
  out.flag(plan.timeOffsets !== undefined);
  out.i64(plan.timeOffsets?.monotonicNs ?? 0n).i64(plan.timeOffsets?.boottimeNs ?? 0n);
  out.list(plan.sources, (source) => writeSource(out, source, table)).u32(plan.root);
  out.u32(plan.writable < 0 ? NO_FD : plan.writable);
  out.list(plan.steps, (step) => writeStep(out, step));
  out.flag(plan.readonlyRoot).flag(plan.loopback).flag(plan.lockMounts);
  out.bytes(plan.seccomp).u32(plan.seccompFlags);
  out.u32(table.index(plan.cgroup)).list(plan.cgroupFiles, (fd) => out.u32(table.index(fd)));
  out.u32(table.index(control));
  out.flag(command !== undefined);
  if (command !== undefined) writeCommand(out, command.plan, command.fds, table);
  return { body: out.finish(), fds: table.fds };
}

export function encodeCommand(plan: CommandPlan, fds: CommandFds): Encoded {
  const out = new Writer();
  const table = new FdTable();
  writeCommand(out, plan, fds, table);
  return { body: out.finish(), fds: table.fds };
}
