import { constants } from 'node:os';

const BY_NUMBER = new Map<number, NodeJS.Signals>();
for (const [name, number] of Object.entries(constants.signals)) {
  if (!BY_NUMBER.has(number)) BY_NUMBER.set(number, name as NodeJS.Signals);
}

/** `SIGRTMIN+3` for the real-time signals, which have no names of their own, signal(7). */
export function signalName(number: number): string {
  const name = BY_NUMBER.get(number);
  if (name !== undefined) return name;
  return number >= 34 && number <= 64 ? `SIGRTMIN+${number - 34}` : `signal ${number}`;
}

/** Accepts `'SIGTERM'`, `'TERM'` and `15`; undefined for what is no signal. */
export function signalNumber(signal: string | number): number | undefined {
  if (typeof signal === 'number') return Number.isInteger(signal) && signal > 0 && signal <= 64 ? signal : undefined;
  const name = signal.toUpperCase();
  return constants.signals[(name.startsWith('SIG') ? name : `SIG${name}`) as NodeJS.Signals];
}
