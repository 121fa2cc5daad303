import { constants } from 'node:os';

/** Of the C library: signal(7). The kernel's begin at 32, of which it keeps two for itself. */
const RTMIN = 34;
const RTMAX = 64;

const BY_NUMBER = new Map<number, NodeJS.Signals>();
for (const [name, number] of Object.entries(constants.signals)) {
  if (!BY_NUMBER.has(number)) BY_NUMBER.set(number, name as NodeJS.Signals);
}

/** `SIGRTMIN+3` for the real-time signals, which have no names of their own. What it returns for a signal, `signalNumber` accepts. */
export function signalName(number: number): string {
  const name = BY_NUMBER.get(number);
  if (name !== undefined) return name;
  if (number === RTMIN) return 'SIGRTMIN';
  if (number === RTMAX) return 'SIGRTMAX';
  return number > RTMIN && number < RTMAX ? `SIGRTMIN+${number - RTMIN}` : `signal ${number}`;
}

/** Accepts `'SIGTERM'`, `'TERM'`, `'SIGRTMIN+3'`, `'SIGRTMAX-3'` and `15`; undefined for what is no signal. */
export function signalNumber(signal: unknown): number | undefined {
  if (typeof signal === 'number') return Number.isInteger(signal) && signal > 0 && signal <= RTMAX ? signal : undefined;
  if (typeof signal !== 'string') return undefined;
  const upper = signal.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  return (constants.signals as Partial<Record<string, number>>)[name] ?? realTime(name);
}

/** As images and Docker write it, `'15'` included: a name or a number in a text; undefined for what is no signal. */
export function signalFromText(text: string): number | undefined {
  return signalNumber(/^\d{1,2}$/.test(text) ? Number(text) : text);
}

function realTime(name: string): number | undefined {
  const match = /^SIGRT(MIN|MAX)(?:([+-])(\d\d?))?$/.exec(name);
  if (match === null) return undefined;
  const [, end, sign, distance = '0'] = match;
  if (sign !== undefined && sign !== (end === 'MIN' ? '+' : '-')) return undefined;
  const number = end === 'MIN' ? RTMIN + Number(distance) : RTMAX - Number(distance);
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}
