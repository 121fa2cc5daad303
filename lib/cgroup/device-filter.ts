import { endianness } from 'node:os';
import type { DeviceException, DeviceTable } from './device-rules.js';

/*
 * The eBPF instructions used here, Documentation/bpf/standardization/instruction-set.rst (RFC 9669):
 * eight bytes each, opcode, destination and source register, 16-bit jump offset, 32-bit immediate.
 */
const LOAD_WORD = 0x61; // dst = *(u32 *)(src + offset)
const MOVE = 0xbc; // dst = src, 32 bit
const SET = 0xb4; // dst = immediate, 32 bit
const AND = 0x54; // dst &= immediate, 32 bit
const SHIFT_RIGHT = 0x74; // dst >>= immediate, 32 bit
const JUMP_EQUAL = 0x16; // 32 bit, with immediate
const JUMP_NOT_EQUAL = 0x56; // 32 bit, with immediate
const JUMP_NOT_EQUAL_REGISTER = 0x5e;
const EXIT = 0x95;

/* Registers. r0 is the verdict, r1 the context: struct bpf_cgroup_dev_ctx { u32 access_type, major, minor } (linux/bpf.h). */
const VERDICT = 0;
const CONTEXT = 1;
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;
const SCRATCH = 6;

/* linux/bpf.h: access_type is (access << 16) | type. */
const TYPE_BITS = { b: 1, c: 2 } as const;
const ACCESS_BITS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const ANY_ACCESS = 7;

interface Instruction {
  readonly code: number;
  readonly destination?: number;
  readonly source?: number;
  readonly offset?: number;
  readonly immediate?: number;
}

const verdict = (allow: boolean): Instruction[] => [
  { code: SET, destination: VERDICT, immediate: allow ? 1 : 0 },
  { code: EXIT },
];

/** Leaves to the next exception unless this one matches. */
function match(exception: DeviceException, allowByDefault: boolean): Instruction[] {
  const access = [...exception.access].reduce((bits, letter) => bits | (ACCESS_BITS[letter] ?? 0), 0);
  // Each of these jumps goes behind the verdict that ends the block; the distance is filled in below.
  const tests: Instruction[] = [{ code: JUMP_NOT_EQUAL, destination: TYPE, immediate: TYPE_BITS[exception.type] }];
  if (allowByDefault || access !== ANY_ACCESS) {
    tests.push(
      { code: MOVE, destination: SCRATCH, source: ACCESS },
      { code: AND, destination: SCRATCH, immediate: access },
    );
    // A denial bites when any wanted access is named, a permission only when every one is.
    if (allowByDefault) tests.push({ code: JUMP_EQUAL, destination: SCRATCH, immediate: 0 });
    else tests.push({ code: JUMP_NOT_EQUAL_REGISTER, destination: SCRATCH, source: ACCESS });
  }
  if (exception.major !== undefined)
    tests.push({ code: JUMP_NOT_EQUAL, destination: MAJOR, immediate: exception.major });
  if (exception.minor !== undefined)
    tests.push({ code: JUMP_NOT_EQUAL, destination: MINOR, immediate: exception.minor });
  const block = [...tests, ...verdict(!allowByDefault)];
  const isJump = ({ code }: Instruction): boolean =>
    code === JUMP_EQUAL || code === JUMP_NOT_EQUAL || code === JUMP_NOT_EQUAL_REGISTER;
  return block.map((step, index) => (isJump(step) ? { ...step, offset: block.length - index - 1 } : step));
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  const little = endianness() === 'LE';
  instructions.forEach(({ code, destination = 0, source = 0, offset = 0, immediate = 0 }, index) => {
    const at = index * 8;
    view.setUint8(at, code);
    view.setUint8(at + 1, little ? (source << 4) | destination : (destination << 4) | source);
    view.setInt16(at + 2, offset, little);
    view.setInt32(at + 4, immediate, little);
  });
  return bytes;
}

/**
 * The program that decides about devices in a v2 group, for `BPF_PROG_TYPE_CGROUP_DEVICE`: 1 allows, 0 is EPERM.
 * Pure; in the byte order of this machine.
 */
export function planDeviceFilter(table: DeviceTable): Uint8Array {
  return encode([
    { code: LOAD_WORD, destination: TYPE, source: CONTEXT, offset: 0 },
    { code: MOVE, destination: ACCESS, source: TYPE },
    { code: AND, destination: TYPE, immediate: 0xffff },
    { code: SHIFT_RIGHT, destination: ACCESS, immediate: 16 },
    { code: LOAD_WORD, destination: MAJOR, source: CONTEXT, offset: 4 },
    { code: LOAD_WORD, destination: MINOR, source: CONTEXT, offset: 8 },
    ...table.exceptions.flatMap((exception) => match(exception, table.allowByDefault)),
    ...verdict(table.allowByDefault),
  ]);
}
