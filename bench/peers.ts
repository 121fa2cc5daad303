import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Burst, Contender } from './contender.js';
import { ociConfig } from './oci-config.js';
import type { Request, Response } from './peer-process.js';
import { whyNot } from './why-not.js';
import type { Workshop } from './workshop.js';

/** What a user would pick instead; `{id}` becomes a fresh name for each start. */
interface Peer {
  readonly name: string;
  readonly every?: number;
  readonly command: readonly string[];
  /** Ends with exit code 0 where the peer can be used. */
  readonly probe: readonly string[];
}

export interface Peers extends AsyncDisposable {
  readonly contenders: readonly Contender[];
  /** How they were run, and which were not. */
  readonly notes: readonly string[];
}

const NOTHING: Burst = { wallMs: 0, eachMs: [] };
const DOCKER_IMAGE = 'cloister-bench';

function candidates({ directory, root }: Workshop): Peer[] {
  const bundle = join(directory, 'bundle');
  const bwrap = ['bwrap', '--unshare-all', '--die-with-parent', '--ro-bind', root, '/', '--proc', '/proc'];
  const runtime = (name: string, ...options: readonly string[]): readonly string[] => [
    name,
    ...options,
    '--root',
    join(directory, name),
    'run',
    '--bundle',
    bundle,
    '{id}',
  ];
  return [
    {
      name: 'bubblewrap',
      command: [...bwrap, '--dev', '/dev', '--tmpfs', '/tmp', '/bin/true'],
      probe: ['bwrap', '--version'],
    },
    { name: 'crun', command: runtime('crun'), probe: ['crun', '--version'] },
    { name: 'crun, no cgroup', command: runtime('crun', '--cgroup-manager=disabled'), probe: ['crun', '--version'] },
    { name: 'runc', every: 4, command: runtime('runc'), probe: ['runc', '--version'] },
    {
      name: 'docker',
      every: 20,
      command: ['docker', 'run', '--rm', '--network=none', DOCKER_IMAGE, '/bin/true'],
      probe: ['docker', 'version', '--format', '{{.Server.Version}}'],
    },
  ];
}

/**
 * The process that starts the peers and takes the time, as an application of theirs would. crun refuses a machine that has
 * both versions of control groups: in a mount namespace of this process alone the second one is out of sight, and crun uses
 * the first.
 */
class PeerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #answer: ((response: Response) => void) | undefined;

  constructor(hidesUnified: boolean) {
    const script = fileURLToPath(new URL('peer-process.js', import.meta.url));
    const hide = hidesUnified ? 'umount /sys/fs/cgroup/unified && ' : '';
    this.#child = fork(script, {
      execPath: 'unshare',
      execArgv: ['--mount', '--propagation', 'private', 'sh', '-c', `${hide}exec "$0" "$@"`, process.execPath],
    });
    this.#child.on('message', (response: Response) => this.#answer?.(response));
    this.#ended = once(this.#child, 'exit').then(() =>
      this.#answer?.({ burst: NOTHING, failure: 'the process of the peers ended' }),
    );
  }

  /** One question at a time. */
  async ask(request: Request): Promise<Burst> {
    const response = await new Promise<Response>((resolve) => {
      this.#answer = resolve;
      this.#child.send(request);
    });
    if (response.failure !== undefined) throw new Error(response.failure);
    return response.burst;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }
}

function isHybrid(): boolean {
  try {
    return execFileSync('stat', ['-fc', '%T', '/sys/fs/cgroup/unified'], { encoding: 'utf8' }).trim() === 'cgroup2fs';
  } catch {
    return false;
  }
}

/** Tries each peer once; those that cannot be used here become a note. */
export async function openPeers(workshop: Workshop): Promise<Peers> {
  writeFileSync(join(workshop.directory, 'bundle', 'config.json'), JSON.stringify(ociConfig()));
  const hidesUnified = isHybrid();
  const process = new PeerProcess(hidesUnified);
  const contenders: Contender[] = [];
  const notes: string[] = [];
  let hasImage = false;
  for (const peer of candidates(workshop)) {
    let reason = whyNot(peer.probe);
    if (reason === undefined && peer.name === 'docker') hasImage = (reason = importImage(workshop)) === undefined;
    const ask = (count: number, concurrency: number): Promise<Burst> =>
      process.ask({ command: peer.command, count, concurrency });
    reason ??= await ask(1, 1).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (reason === undefined) contenders.push({ ...peer, burst: ask });
    else notes.push(`${peer.name}: skipped: ${reason}`);
  }
  if (hidesUnified) {
    notes.push('crun refuses hybrid control groups: it ran in a mount namespace without the v2 hierarchy, on v1.');
  }
  const dispose = async (): Promise<void> => {
    await process[Symbol.asyncDispose]();
    if (hasImage) execFileSync('docker', ['image', 'rm', '--force', DOCKER_IMAGE], { stdio: 'ignore' });
  };
  return { contenders, notes, [Symbol.asyncDispose]: dispose };
}

function importImage({ root }: Workshop): string | undefined {
  try {
    const archive = execFileSync('tar', ['-C', root, '-c', '.']);
    execFileSync('docker', ['import', '-', DOCKER_IMAGE], { input: archive, stdio: ['pipe', 'ignore', 'pipe'] });
    return undefined;
  } catch (error) {
    return String(error);
  }
}
