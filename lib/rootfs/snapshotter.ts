export type { Snapshot, Snapshotter } from '../shared/snapshotter.js';
