import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { delayDuring } from '../event-loop.js';
import { printMachine } from '../report.js';
import { median } from '../samples.js';
import { ms, printTable, times } from '../table.js';
import { whyNot } from '../why-not.js';
import { cloister, PEERS, startTimes, type Cost, type Driver, type Puller } from './contenders.js';
import { publishImage, type SampleImage } from './image.js';
import { startRegistry } from './registry.js';

const USAGE = `Usage: npm run bench:pull -- [--megabytes N] [--rounds N] [--only NAME,…] [--in DIRECTORY]

  --megabytes  of the larger image, uncompressed; default 1024. The other one has a quarter of that
  --rounds     each contender is asked that often, in turns; the median counts. Default 1
  --only       contenders by the beginning of their names: cloister, podman, docker, skopeo
  --in         a directory on the file system to measure on; default /var/tmp
`;

const MEGABYTE = 2 ** 20;
const STARTS = 40;
const IDLE_MS = 3000;
const REFERENCE_PEER = 'podman pull';

interface Options {
  readonly bytes: number;
  readonly rounds: number;
  readonly only: readonly string[] | undefined;
  readonly place: string;
}

function readOptions(): Options | undefined {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ options: { megabytes: text, rounds: text, only: text, in: text } });
    const [megabytes, rounds] = [Number(values.megabytes ?? 1024), Number(values.rounds ?? 1)];
    if (!(megabytes >= 1) || !(rounds >= 1)) return undefined;
    return { bytes: megabytes * MEGABYTE, rounds, only: values.only?.split(','), place: values.in ?? '/var/tmp' };
  } catch {
    return undefined;
  }
}

const reasonAgainst = ({ probe }: Puller): string | undefined => probe && whyNot(probe);

/**
 * Asks each puller in turns. Nothing is removed before all have pulled: a file system may take longer to make files for minutes
 * after it has lost many, as ext4 without a journal does, which never uses an inode again at once.
 */
async function measure(pullers: readonly Puller[], image: SampleImage, rounds: number, place: string) {
  const costs = new Map<string, Cost[]>();
  // What a busy machine does to a program that only waits.
  const began = performance.now();
  const { p99 } = await delayDuring(() => sleep(IDLE_MS));
  costs.set('nothing', [{ seconds: (performance.now() - began) / 1000, delayP99Ms: p99 }]);
  const undo: (() => Promise<void> | undefined)[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [index, puller] of pullers.entries()) {
        // What the one before has yet to write is not the next one's to wait for.
        execFileSync('sync');
        const directory = join(place, `${index}-${round}`);
        undo.push(() => puller.clean?.(directory));
        const cost = await puller.pull(image.reference, directory);
        costs.set(puller.name, [...(costs.get(puller.name) ?? []), cost]);
      }
    }
  } finally {
    for (const each of undo) await each()?.catch(() => undefined);
  }
  return costs;
}

const worst = (values: readonly (number | undefined)[]): number | undefined =>
  values.includes(undefined) ? undefined : Math.max(...values.map((value) => value ?? 0));

function printPulls(image: SampleImage, costs: ReadonlyMap<string, readonly Cost[]>, notes: readonly string[]): void {
  const seconds = (name: string): number => median((costs.get(name) ?? []).map((cost) => cost.seconds));
  const { files, bytes, compressedBytes } = image;
  const size = (value: number): string => `${(value / 1e6).toFixed(0)} MB`;
  printTable(
    `An image of 4 layers, ${files.toLocaleString('en')} files, ${size(bytes)}, ${size(compressedBytes)} compressed`,
    ['', 'seconds', REFERENCE_PEER, 'event loop p99, ms', 'peak memory'],
    [...costs].map(([name, each]) => {
      const delay = worst(each.map(({ delayP99Ms }) => delayP99Ms));
      const memory = worst(each.map(({ peakBytes }) => peakBytes));
      return [
        name,
        seconds(name).toFixed(2),
        name === 'nothing' ? '' : times(seconds(REFERENCE_PEER) / seconds(name)),
        delay === undefined ? '' : ms(delay),
        memory === undefined ? '' : size(memory),
      ];
    }),
    notes,
  );
}

async function printStarts(image: SampleImage, place: string): Promise<void> {
  const rows: string[][] = [];
  for (const driver of ['overlay', 'erofs'] as const satisfies readonly Driver[]) {
    const directory = join(place, `start-${driver}`);
    await cloister(driver).pull(image.reference, directory);
    const { image: ofImage, host } = await startTimes(directory, driver, image.reference, STARTS);
    rows.push([driver, ms(median(ofImage)), ms(median(host)), times(median(ofImage) / median(host))]);
  }
  printTable(
    'Sandbox.create of an image that is here, p50 in milliseconds',
    ['', 'of the image', "of the host's root", 'ratio'],
    rows,
  );
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { bytes, rounds, only, place } = options;
  const all = [cloister('overlay'), cloister('erofs'), ...PEERS].filter(
    ({ name }) => only === undefined || only.some((each) => name.startsWith(each)),
  );
  const usable = all.filter((puller) => reasonAgainst(puller) === undefined);
  const notes = all.flatMap((puller) => {
    const reason = reasonAgainst(puller);
    return reason === undefined ? [] : [`without ${puller.name}: ${reason}`];
  });
  printMachine();
  const directory = mkdtempSync(join(place, 'cloister-pull-'));
  try {
    await using registry = await startRegistry(join(directory, 'registry'));
    for (const [name, size] of [['quarter', bytes / 4] as const, ['whole', bytes] as const]) {
      const image = await publishImage(registry.host, join(directory, 'made'), name, size);
      printPulls(image, await measure(usable, image, rounds, join(directory, name)), notes);
      if (name === 'quarter' && usable.some((puller) => puller.name.startsWith('cloister')))
        await printStarts(image, join(directory, name));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return 0;
}

process.exitCode = await main();
