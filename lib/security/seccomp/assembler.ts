import { endianness } from 'node:os';
import { CloisterError } from '../../errors.js';

/*
 * Classic BPF as seccomp(2) takes it: linux/bpf_common.h, linux/filter.h.
 * An instruction is { u16 code; u8 jt; u8 jf; u32 k }.
 */
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
const RETURN = 0x06; // BPF_RET | BPF_K
const CONDITIONS = { '=': 0x15, '>': 0x25, '>=': 0x35, '&': 0x45 } as const; // BPF_JMP | BPF_J* | BPF_K

/** `BPF_MAXINSNS`. */
const MAX_INSTRUCTIONS = 4096;
/** A conditional jump has one byte for its distance. */
const MAX_DISTANCE = 255;

/** A place in the program, to be put down once. */
export interface Label {
  at: number;
}

export type Test = keyof typeof CONDITIONS;

type Line =
  | { readonly kind: 'label'; readonly label: Label }
  | { readonly kind: 'plain'; readonly code: number; readonly k: number }
  | { readonly kind: 'jump'; readonly to: Label }
  | { readonly kind: 'branch'; readonly code: number; readonly k: number; readonly yes: Label; readonly no: Label };

/** Writes a program with labels instead of distances. All jumps go forward, as the kernel demands. */
export class Assembler {
  readonly #lines: Line[] = [];
  /** Branches with a target too far away for their byte: each gets a jump of its own for it. */
  readonly #far = new Map<Line, { yes: boolean; no: boolean }>();

  label(): Label {
    return { at: -1 };
  }

  place(label: Label): this {
    this.#lines.push({ kind: 'label', label });
    return this;
  }

  load(offset: number): this {
    this.#lines.push({ kind: 'plain', code: LOAD, k: offset });
    return this;
  }

  and(mask: number): this {
    this.#lines.push({ kind: 'plain', code: AND, k: mask });
    return this;
  }

  return(value: number): this {
    this.#lines.push({ kind: 'plain', code: RETURN, k: value });
    return this;
  }

  jump(to: Label): this {
    this.#lines.push({ kind: 'jump', to });
    return this;
  }

  branch(test: Test, k: number, yes: Label, no: Label): this {
    this.#lines.push({ kind: 'branch', code: CONDITIONS[test], k, yes, no });
    return this;
  }

  /**
   * `struct sock_filter[]`.
   *
   * @throws CloisterError `ERR_SECCOMP_PROFILE` for more instructions than the kernel takes.
   */
  assemble(): Uint8Array {
    let count = this.#layOut();
    while (this.#stretch()) count = this.#layOut();
    if (count > MAX_INSTRUCTIONS) {
      throw new CloisterError(
        'ERR_SECCOMP_PROFILE',
        `seccomp: ${count} instructions, and the kernel takes ${MAX_INSTRUCTIONS}`,
        {
          subject: 'seccomp',
          hint: 'use fewer rules with arguments',
        },
      );
    }
    return this.#encode(count);
  }

  #sizeOf(line: Line): number {
    if (line.kind === 'label') return 0;
    const far = this.#far.get(line);
    return 1 + (far?.yes === true ? 1 : 0) + (far?.no === true ? 1 : 0);
  }

  #layOut(): number {
    let at = 0;
    for (const line of this.#lines) {
      if (line.kind === 'label') line.label.at = at;
      at += this.#sizeOf(line);
    }
    return at;
  }

  /** True when a branch had to grow: then every distance is new. */
  #stretch(): boolean {
    let at = 0;
    let hasGrown = false;
    for (const line of this.#lines) {
      if (line.kind === 'branch') {
        const far = this.#far.get(line) ?? { yes: false, no: false };
        for (const side of ['yes', 'no'] as const) {
          if (far[side] || line[side].at - at - 1 <= MAX_DISTANCE) continue;
          far[side] = hasGrown = true;
          this.#far.set(line, far);
        }
      }
      at += this.#sizeOf(line);
    }
    return hasGrown;
  }

  #encode(count: number): Uint8Array {
    const bytes = new Uint8Array(count * 8);
    const view = new DataView(bytes.buffer);
    const isLittle = endianness() === 'LE';
    let at = 0;
    const write = (code: number, k: number, yes = 0, no = 0): void => {
      view.setUint16(at * 8, code, isLittle);
      view.setUint8(at * 8 + 2, yes);
      view.setUint8(at * 8 + 3, no);
      view.setUint32(at * 8 + 4, k, isLittle);
      at++;
    };
    const writeBranch = (line: Line & { kind: 'branch' }): void => {
      const far = this.#far.get(line) ?? { yes: false, no: false };
      const next = at + 1;
      // The jumps that help out stand right behind, the one for `yes` first.
      const yes = far.yes ? 0 : line.yes.at - next;
      const no = far.no ? Number(far.yes) : line.no.at - next;
      write(line.code, line.k, yes, no);
      if (far.yes) write(JUMP, line.yes.at - at - 1);
      if (far.no) write(JUMP, line.no.at - at - 1);
    };
    for (const line of this.#lines) {
      if (line.kind === 'plain') write(line.code, line.k);
      else if (line.kind === 'jump') write(JUMP, line.to.at - at - 1);
      else if (line.kind === 'branch') writeBranch(line);
    }
    return bytes;
  }
}
