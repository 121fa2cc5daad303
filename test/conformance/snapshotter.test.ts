import { afterAll, describe, test } from 'vitest';
import { snapshotterConformance } from '../../lib/conformance/index.js';
import { Host } from '../../lib/index.js';
import { CopySnapshotter } from '../../lib/rootfs/copy.js';
import { ErofsSnapshotter } from '../../lib/rootfs/erofs.js';
import { OverlaySnapshotter } from '../../lib/rootfs/overlay.js';
import { PlainSnapshotter } from '../support/plain-snapshotter.js';

afterAll(() => Host.default.close());

describe.each([
  ['overlay', OverlaySnapshotter],
  ['erofs', ErofsSnapshotter],
  ['copy', CopySnapshotter],
  ["a user's own", PlainSnapshotter],
] as const)('%s', (_, Driver) => {
  for (const { name, run } of snapshotterConformance((directory) => new Driver(directory))) test(name, run);
});
