// Calls what the addon exports again and again, in ways that succeed and in ways that fail, and ends as a program should:
// scripts/test-native.sh runs it under LeakSanitizer. (Test runners kill their workers, which leaves it no time to look.)
//
//   node exercise-addon.mjs path/to/cloister.node
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const addon = createRequire(import.meta.url)(process.argv[2]);
const directory = mkdtempSync(join(tmpdir(), 'cloister-addon-'));
const close = (...fds) => fds.forEach((fd) => closeSync(fd));
const fails = (call) => {
  try {
    call();
  } catch {
    return;
  }
  throw new Error(`did not fail: ${call}`);
};

const messages = [
  [new Uint8Array(0), 0],
  [new Uint8Array(100), 3],
  [new Uint8Array(300_000), 2],
];

/** By the name of the export. */
const exercises = {
  socketPair: () => close(...addon.socketPair()),
  pipe: () => close(...addon.pipe('read', 65_536), ...addon.pipe('write', 0)),
  cloneMount: () => {
    close(addon.cloneMount(directory, true));
    fails(() => addon.cloneMount(join(directory, 'absent'), false));
  },
  sealedCopy: () => {
    close(addon.sealedCopy(process.argv[2]));
    fails(() => addon.sealedCopy(directory));
  },
  tryLock: () => {
    const fd = openSync(join(directory, 'lock'), 'a');
    addon.tryLock(fd);
    close(fd);
    fails(() => addon.tryLock(-1));
  },
  send: () => {
    const pair = addon.socketPair();
    for (const [body, count] of messages) addon.send(pair[0], 1, body, Array(count).fill(pair[0]));
    fails(() => addon.send(-1, 1, new Uint8Array(300_000), []));
    fails(() => addon.send(pair[0], 1, new Uint8Array(0), Array(254).fill(0)));
    close(...pair);
  },
  receiveFd: () => {
    const pair = addon.socketPair();
    addon.send(pair[0], 3, new Uint8Array(0), [pair[0]]);
    close(addon.receiveFd(pair[1]));
    addon.send(pair[0], 3, new Uint8Array(300_000), [pair[0], pair[1]]);
    fails(() => addon.receiveFd(pair[1]));
    close(...pair);
  },
  openTerminalPeer: () => fails(() => addon.openTerminalPeer(-1)),
  resizeTerminal: () => fails(() => addon.resizeTerminal(-1, 80, 24)),
  canDecompress: () => addon.canDecompress(),
  attachDeviceFilter: () => fails(() => addon.attachDeviceFilter(-1, new Uint8Array(16))),
};

try {
  for (let round = 0; round < 50; round++) for (const exercise of Object.values(exercises)) exercise();
} finally {
  rmSync(directory, { recursive: true });
}
