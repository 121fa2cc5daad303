import type { Digest } from '../shared/digest.js';

/**
 * What happens to a layer: `waiting` for its turn or another process, `downloading` (and unpacking as it comes), `unpacking`
 * what was downloaded, `uploading`; in the end `done`, or `exists` when there was nothing to do.
 */
export type LayerPhase = 'waiting' | 'downloading' | 'unpacking' | 'uploading' | 'done' | 'exists';

/** How far one layer is, and all of them. */
export interface ImageProgress {
  /** Digest of the layer as the registry has it. */
  readonly layer: Digest;
  readonly phase: LayerPhase;
  /** Of the layer's compressed bytes. */
  readonly bytes: number;
  readonly total: number;
  readonly overall: {
    readonly bytes: number;
    readonly total: number;
    /** Layers that are done or were there. */
    readonly layersDone: number;
    readonly layers: number;
  };
}

/** Told of every layer, and at most twenty times a second of each. What it throws ends the transfer. */
export type OnProgress = (progress: ImageProgress) => void;

/** Between two reports of one phase: people and terminals do not see more. */
const INTERVAL_MS = 50;

interface State {
  phase: LayerPhase;
  bytes: number;
  readonly total: number;
  reportedAt: number;
}

const isOver = (phase: LayerPhase): boolean => phase === 'done' || phase === 'exists';

/** Adds up what the layers of one operation report. What the listener throws ends the operation. */
export class ProgressTracker {
  readonly #layers = new Map<Digest, State>();
  readonly #listener: OnProgress | undefined;

  constructor(layers: readonly { readonly digest: Digest; readonly size: number }[], listener: OnProgress | undefined) {
    this.#listener = listener;
    for (const { digest, size } of layers) {
      this.#layers.set(digest, { phase: 'waiting', bytes: 0, total: size, reportedAt: -Infinity });
    }
  }

  report(layer: Digest, phase: LayerPhase, bytes?: number): void {
    const state = this.#layers.get(layer);
    if (state === undefined) return;
    const isNews = state.phase !== phase;
    state.phase = phase;
    state.bytes = isOver(phase) ? state.total : (bytes ?? state.bytes);
    if (this.#listener === undefined) return;
    const now = performance.now();
    if (!isNews && now - state.reportedAt < INTERVAL_MS) return;
    state.reportedAt = now;
    this.#listener({ layer, phase, bytes: state.bytes, total: state.total, overall: this.#overall() });
  }

  #overall(): ImageProgress['overall'] {
    const overall = { bytes: 0, total: 0, layersDone: 0, layers: this.#layers.size };
    for (const { phase, bytes, total } of this.#layers.values()) {
      overall.bytes += bytes;
      overall.total += total;
      if (isOver(phase)) overall.layersDone++;
    }
    return overall;
  }
}
