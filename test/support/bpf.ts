/** What a filter looks at, `struct seccomp_data`. */
export interface SeccompData {
  readonly number: number;
  readonly audit: number;
  readonly args: readonly bigint[];
}

interface Instruction {
  readonly code: number;
  readonly yes: number;
  readonly no: number;
  readonly k: number;
}

/** The instructions of `struct sock_filter[]`, little endian. */
export function decode(program: Uint8Array): Instruction[] {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  return Array.from({ length: program.length / 8 }, (_, index) => ({
    code: view.getUint16(index * 8, true),
    yes: view.getUint8(index * 8 + 2),
    no: view.getUint8(index * 8 + 3),
    k: view.getUint32(index * 8 + 4, true),
  }));
}

const JUMPS = [0x15, 0x25, 0x35, 0x45];

/** What the kernel's checker wants (`bpf_check_classic` and `seccomp_check_filter`); the first thing that is wrong, or undefined. */
export function verify(program: Uint8Array): string | undefined {
  if (program.length === 0 || program.length % 8 !== 0) return `size ${program.length}`;
  const code = decode(program);
  if (code.length > 4096) return `${code.length} instructions`;
  for (const [at, { code: operation, yes, no, k }] of code.entries()) {
    const left = code.length - at - 1;
    if (operation === 0x20) {
      if (k % 4 !== 0 || k > 60) return `load of ${k} at ${at}`;
    } else if (operation === 0x05) {
      if (k >= left) return `jump out at ${at}`;
    } else if (JUMPS.includes(operation)) {
      if (yes >= left || no >= left) return `branch out at ${at}`;
    } else if (operation !== 0x06 && operation !== 0x54) return `operation ${operation} at ${at}`;
  }
  return code.at(-1)?.code === 0x06 ? undefined : 'no return at the end';
}

function load(offset: number, { number, audit, args }: SeccompData): number {
  if (offset === 0) return number >>> 0;
  if (offset === 4) return audit;
  const arg = args[(offset - 16) >> 3] ?? 0n;
  return Number((offset - 16) % 8 === 0 ? arg & 0xffff_ffffn : arg >> 32n);
}

/** Runs decoded instructions as the kernel would; the value that they return. */
export function run(code: readonly Instruction[], data: SeccompData): number {
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const { code: operation, yes, no, k } = code[at] ?? { code: -1, yes: 0, no: 0, k: 0 };
    if (operation === 0x06) return k;
    else if (operation === 0x20) accumulator = load(k, data);
    else if (operation === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (operation === 0x05) at += k;
    else if (operation === 0x15) at += accumulator === k ? yes : no;
    else if (operation === 0x25) at += accumulator > k ? yes : no;
    else if (operation === 0x35) at += accumulator >= k ? yes : no;
    else if (operation === 0x45) at += (accumulator & k) !== 0 ? yes : no;
    else throw new Error(`operation ${operation} at ${at}`);
  }
}
