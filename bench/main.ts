import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Host, Sandbox } from 'cloister';
import { contender, type Contender } from './contender.js';
import { measureDensity } from './density.js';
import { measureEventLoop } from './event-loop.js';
import { Floor } from './floor.js';
import { measureLatency } from './latency.js';
import { openPeers } from './peers.js';
import { runProgram } from './programs.js';
import { printDensity, printEventLoop, printLatency, printMachine, printTargets, printThroughput } from './report.js';
import { NAMES, targets, type Measured } from './targets.js';
import { measureThroughput } from './throughput.js';
import { openWorkshop, type Workshop } from './workshop.js';

const USAGE = `Usage: npm run bench -- [--quick] [--only PART,…] [--json FILE]

  --quick   fewer rounds: a minute instead of some
  --only    of: latency, throughput, event-loop, density
  --json    writes the figures with their targets, too
`;

const PARTS = ['latency', 'throughput', 'event-loop', 'density'] as const;
type Part = (typeof PARTS)[number];

interface Options {
  readonly quick: boolean;
  readonly parts: ReadonlySet<Part>;
  readonly json: string | undefined;
}

function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: { quick: { type: 'boolean' }, only: { type: 'string' }, json: { type: 'string' } },
    });
    const names = values.only?.split(',') ?? PARTS;
    const parts = names.map((name) => PARTS.find((part) => part === name));
    if (parts.includes(undefined)) return undefined;
    return { quick: values.quick === true, parts: new Set(parts as Part[]), json: values.json };
  } catch {
    return undefined;
  }
}

/** The library's own, and what an application does without it: each once with the static program, once with the host's. */
function ownContenders({ root, program }: Workshop, box: Sandbox, hostBox: Sandbox): Record<string, Contender> {
  const image = { directory: root };
  return {
    spawn: contender(NAMES.spawn, () => runProgram([program])),
    run: contender(NAMES.run, () => succeed(Sandbox.run(['/bin/true'], { image }))),
    exec: contender(NAMES.exec, () => succeed(box.exec(['/bin/true']))),
    spawnHost: contender(NAMES.spawnHost, () => runProgram(['true'])),
    runHost: contender(NAMES.runHost, () => succeed(Sandbox.run(['true']))),
    execHost: contender(NAMES.execHost, () => succeed(hostBox.exec(['true']))),
  };
}

async function succeed(ended: ReturnType<typeof Sandbox.run>): Promise<void> {
  const { exitCode, reason } = await ended;
  if (exitCode !== 0 || reason !== 'exit') throw new Error(`a sandboxed program ended with ${reason}`);
}

async function measureStarts(workshop: Workshop, { quick, parts }: Options): Promise<Measured> {
  await using peers = await openPeers(workshop);
  await using floorExec = new Floor(NAMES.floorExec, [workshop.warm, workshop.root, 'exec']);
  await using floorFresh = new Floor(NAMES.floorFresh, [workshop.cold, workshop.root]);
  await using floorJoin = new Floor(NAMES.floorJoin, [workshop.warm, workshop.root, 'join']);
  await using box = await Sandbox.create({ image: { directory: workshop.root } });
  await using hostBox = await Sandbox.create();
  const own = ownContenders(workshop, box, hostBox);
  const measured: { -readonly [Key in keyof Measured]: Measured[Key] } = {};
  if (parts.has('latency')) {
    const all = [floorExec, floorFresh, floorJoin, ...Object.values(own), ...peers.contenders];
    measured.latency = await measureLatency(all, quick ? 40 : 300);
    printLatency(measured.latency, peers.notes);
  }
  if (parts.has('throughput')) {
    const rivals = peers.contenders.filter(({ name }) => name === NAMES.bubblewrap || name === NAMES.crun);
    const all = [own['spawn'], own['run'], own['exec'], own['runHost']].filter((each) => each !== undefined);
    measured.throughput = await measureThroughput([...all, ...rivals], quick ? 2 : 7, quick ? 48 : 96);
    printThroughput(measured.throughput);
  }
  return measured;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { quick, parts, json } = options;
  printMachine();
  using workshop = openWorkshop();
  let measured: Measured = {};
  if (parts.has('latency') || parts.has('throughput')) measured = await measureStarts(workshop, options);
  if (parts.has('event-loop')) {
    measured = { ...measured, eventLoop: await measureEventLoop(workshop.program, workshop.root, 100) };
    if (measured.eventLoop !== undefined) printEventLoop(measured.eventLoop);
  }
  if (parts.has('density')) {
    measured = { ...measured, density: await measureDensity(quick ? 200 : 1000, quick ? 3 : 10) };
    if (measured.density !== undefined) printDensity(measured.density);
  }
  printTargets(measured);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(targets(measured), undefined, 2)}\n`);
  await Host.default.close();
  return 0;
}

process.exitCode = await main();
