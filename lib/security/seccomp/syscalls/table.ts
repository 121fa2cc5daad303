/** Numbers of one architecture's system calls by name. */
export type SyscallTable = ReadonlyMap<string, number>;

/** @param runs - the names of consecutive numbers, separated by white space, by the first number. */
export function syscallTable(runs: Readonly<Record<number, string>>): SyscallTable {
  const table = new Map<string, number>();
  for (const [first, names] of Object.entries(runs)) {
    names
      .trim()
      .split(/\s+/)
      .forEach((name, index) => table.set(name, Number(first) + index));
  }
  return table;
}
