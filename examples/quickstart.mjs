// Runs programs that nobody should trust, each in a sandbox of its own, and shows how each ended and what it cost.
import { Sandbox } from 'cloister';

const python = (...lines) => ['python3', '-c', lines.join('\n')];

const PROGRAMS = [
  {
    title: 'A script that does its work',
    limits: 'memory 128 MiB, half a processor, 16 processes, 60 s',
    command: python(
      'primes = [n for n in range(2, 20_000) if all(n % d for d in range(2, int(n ** 0.5) + 1))]',
      'print(len(primes), "primes below 20,000, the last is", primes[-1])',
    ),
    options: { limits: { memory: '128MiB', cpus: 0.5, pids: 16 }, timeout: '60s' },
  },
  {
    title: 'A script that looks around',
    limits: 'the defaults',
    command: python(
      'import os, socket',
      'def attempt(what, action):',
      '    try: print(f"{what}: {action()}")',
      '    except OSError as error: print(f"{what}: {error.strerror}")',
      'attempt("the internet", lambda: socket.create_connection(("192.0.2.1", 80), timeout=1))',
      'attempt("the passwords", lambda: open("/etc/shadow").read())',
      'attempt("the home directories", lambda: os.listdir("/home"))',
      'attempt("the program ls", lambda: open("/usr/bin/ls", "ab") and "can be changed, but only in here")',
      'attempt("the host name", lambda: open("/proc/sys/kernel/hostname", "w").write("mine"))',
      'attempt("the disks", lambda: os.mknod("/tmp/disk", 0o60660, os.makedev(8, 0)))',
    ),
    options: {},
  },
  {
    title: 'A fork bomb',
    limits: '32 processes',
    command: ['sh', '-c', 'bomb() { bomb | bomb & }; bomb; sleep 1; exit 1'],
    options: { limits: { pids: 32 } },
  },
  {
    title: 'A memory hog',
    limits: 'memory 64 MiB',
    command: python('hoard = []', 'while True: hoard.append(bytearray(1 << 20))'),
    options: { limits: { memory: '64MiB' } },
  },
  {
    title: 'A busy loop',
    limits: '500 ms of processor time',
    command: python('while True: pass'),
    options: { limits: { cpuTime: '500ms' } },
  },
  {
    title: 'A flood of output',
    limits: '64 KiB of output',
    command: ['yes', 'all work and no play makes Jack a dull boy'],
    options: { maxOutput: '64KiB' },
  },
];

const ms = (value) => `${Math.round(value)} ms`;
const mib = (bytes) => (bytes === undefined ? '?' : `${(bytes / 2 ** 20).toFixed(1)} MiB`);

function costOf({ reason, exitCode, signal, usage }) {
  return {
    reason,
    'exit or signal': signal ?? `exit ${exitCode}`,
    wall: ms(usage.wallMs),
    cpu: ms(usage.cpuUserMs + usage.cpuSystemMs),
    'peak memory': mib(usage.memoryPeakBytes),
    'peak pids': String(usage.pidsPeak ?? '?'),
  };
}

function printTable(row) {
  const cells = Object.entries(row);
  const line = (pick) => cells.map((cell) => pick(cell).padEnd(Math.max(cell[0].length, cell[1].length))).join('   ');
  console.log(`  ${line(([name]) => name).trimEnd()}`);
  console.log(`  ${line(([name, value]) => '─'.repeat(Math.max(name.length, value.length)))}`);
  console.log(`  ${line(([, value]) => value).trimEnd()}`);
}

function printOutput({ stdout, stderr, truncated }) {
  // Of errors the last line says most.
  const lines = [...stdout.trimEnd().split('\n'), ...stderr.trimEnd().split('\n').slice(-1)].filter((each) => each);
  for (const line of lines.slice(0, truncated ? 2 : 8)) console.log(`  │ ${line}`);
  if (truncated) console.log(`  │ … ${lines.length} lines; cut off after ${stdout.length} bytes`);
}

for (const [index, { title, limits, command, options }] of PROGRAMS.entries()) {
  const result = await Sandbox.run(command, options);
  console.log(`${index === 0 ? '' : '\n'}${title} (${limits})\n`);
  printTable(costOf(result));
  printOutput(result);
}
