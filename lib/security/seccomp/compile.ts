import { endianness } from 'node:os';
import { ARCHITECTURES, X32_BIT } from './architectures.js';
import { Assembler, type Label } from './assembler.js';
import type { SeccompAction, SeccompCondition, SeccompVerdict } from './policy.js';
import { verdictOnUnnamed, type ArchitectureRules, type Decision } from './resolve.js';

/* struct seccomp_data, linux/seccomp.h: { int nr; u32 arch; u64 instruction_pointer; u64 args[6] } */
const NUMBER = 0;
const ARCHITECTURE = 4;
const lowWord = (index: number): number => 16 + 8 * index + (endianness() === 'LE' ? 0 : 4);
const highWord = (index: number): number => 16 + 8 * index + (endianness() === 'LE' ? 4 : 0);

/** `SECCOMP_RET_*`, linux/seccomp.h. */
const RETURN_VALUES: Readonly<Record<SeccompAction, number>> = {
  KILL_PROCESS: 0x8000_0000,
  KILL_THREAD: 0x0000_0000,
  TRAP: 0x0003_0000,
  ERRNO: 0x0005_0000,
  TRACE: 0x7ff0_0000,
  LOG: 0x7ffc_0000,
  ALLOW: 0x7fff_0000,
};

/** What code of an architecture gets that the policy leaves out. */
const FOREIGN_CODE: SeccompVerdict = { action: 'KILL_PROCESS', data: 0 };

const MAX_NUMBER = 0xffff_ffff;

function returnValue({ action, data }: SeccompVerdict): number {
  return (RETURN_VALUES[action] | data) >>> 0;
}

/** Numbers from `first` up to the next range, with what becomes of them. */
interface Range {
  readonly first: number;
  readonly decision: Decision;
}

/** Every number of an architecture, in ranges of the same unconditional verdict. */
function planRanges(rules: ArchitectureRules): Range[] {
  const ranges: Range[] = [];
  const add = (first: number, decision: Decision): void => {
    const last = ranges.at(-1)?.decision;
    const isSame =
      last?.branches.length === 0 &&
      decision.branches.length === 0 &&
      returnValue(last.otherwise) === returnValue(decision.otherwise);
    if (!isSame) ranges.push({ first, decision });
  };
  const unnamed = (first: number): void => add(first, { branches: [], otherwise: verdictOnUnnamed(rules, first) });
  const points = new Set([ARCHITECTURES[rules.architecture].bit, ...rules.decisions.keys()]);
  for (const number of rules.decisions.keys()) if (number < MAX_NUMBER) points.add(number + 1);
  if (rules.newerFrom !== undefined) points.add(rules.newerFrom);
  for (const number of [...points].sort((a, b) => a - b)) {
    const decision = rules.decisions.get(number);
    if (decision === undefined) unnamed(number);
    else add(number, decision);
  }
  return ranges;
}

/** Jumps to `no` unless the condition holds; goes on at `yes`, which stands behind what is written here. */
function emitCondition(out: Assembler, condition: SeccompCondition, yes: Label, no: Label): void {
  const { index, operator, value, datum, isInt } = condition;
  const [low, high] = [Number(value & 0xffff_ffffn), Number(value >> 32n)];
  if (operator === 'MASKED_EQ') {
    const lower = out.label();
    out
      .load(highWord(index))
      .and(high)
      .branch('=', Number(datum >> 32n), lower, no);
    out
      .place(lower)
      .load(lowWord(index))
      .and(low)
      .branch('=', Number(datum & 0xffff_ffffn), yes, no);
    return;
  }
  // NE, LT and LE are EQ, GE and GT the other way round.
  const isOpposite = operator === 'NE' || operator === 'LT' || operator === 'LE';
  const test = operator === 'EQ' || operator === 'NE' ? '=' : operator === 'GT' || operator === 'LE' ? '>' : '>=';
  const [holds, fails] = isOpposite ? [no, yes] : [yes, no];
  if (isInt !== true) {
    const lower = out.label();
    const equal = out.label();
    out.load(highWord(index));
    if (test !== '=') out.branch('>', high, holds, equal).place(equal);
    out.branch('=', high, lower, fails).place(lower);
  }
  out.load(lowWord(index)).branch(test, low, holds, fails);
}

function emitDecision(out: Assembler, { branches, otherwise }: Decision): void {
  for (const { conditions, verdict } of branches) {
    const next = out.label();
    for (const condition of conditions) {
      const yes = out.label();
      emitCondition(out, condition, yes, next);
      out.place(yes);
    }
    out.return(returnValue(verdict)).place(next);
  }
  out.return(returnValue(otherwise));
}

/** Halves what is left with each comparison. */
function emitSearch(out: Assembler, ranges: readonly Range[]): void {
  const [only] = ranges;
  if (only !== undefined && ranges.length === 1) {
    emitDecision(out, only.decision);
    return;
  }
  const half = ranges.length >>> 1;
  const [below, above] = [out.label(), out.label()];
  out.branch('>=', ranges[half]?.first ?? 0, above, below);
  out.place(below);
  emitSearch(out, ranges.slice(0, half));
  out.place(above);
  emitSearch(out, ranges.slice(half));
}

/**
 * The filter for all architectures of a policy. What comes from code of any other one ends the process: its numbers mean other
 * system calls.
 *
 * @returns `struct sock_filter[]`
 * @throws CloisterError `ERR_SECCOMP_PROFILE` when it would be larger than the kernel takes.
 */
export function compileRules(architectures: readonly ArchitectureRules[]): Uint8Array {
  const out = new Assembler();
  const x32 = architectures.find(({ architecture }) => architecture === 'X32');
  out.load(ARCHITECTURE);
  for (const rules of architectures) {
    if (rules === x32) continue;
    const [own, other] = [out.label(), out.label()];
    out.branch('=', ARCHITECTURES[rules.architecture].audit, own, other).place(own).load(NUMBER);
    if (rules.architecture === 'X86_64') {
      const [isX32, is64] = [out.label(), out.label()];
      // Also what is negative as an int: no system call of x86-64 is up there.
      out.branch('>=', X32_BIT, isX32, is64).place(isX32);
      if (x32 === undefined) out.return(returnValue(FOREIGN_CODE));
      else emitSearch(out, planRanges(x32));
      out.place(is64);
    }
    emitSearch(out, planRanges(rules));
    out.place(other);
  }
  out.return(returnValue(FOREIGN_CODE));
  return out.assemble();
}
