import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { onAbort } from '../../../lib/shared/abort.js';

describe('onAbort', () => {
  test('a crowd has one listener, which leaves with the last of them', async () => {
    const warned = vi.fn();
    process.on('warning', warned);
    const { signal } = new AbortController();
    const crowd = Array.from({ length: 100 }, () => onAbort(signal, () => undefined));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const each of crowd.slice(1)) each[Symbol.dispose]();
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    crowd[0]?.[Symbol.dispose]();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await turn();
    process.off('warning', warned);
    expect(warned).not.toHaveBeenCalled();
  });

  test('tells everybody who still waits, once', () => {
    const controller = new AbortController();
    const told: string[] = [];
    onAbort(controller.signal, () => told.push('a'));
    const left = onAbort(controller.signal, () => told.push('b'));
    const last = onAbort(controller.signal, () => told.push('c'));
    left[Symbol.dispose]();
    left[Symbol.dispose]();
    controller.abort();
    controller.abort();
    last[Symbol.dispose]();
    expect(told).toEqual(['a', 'c']);
  });

  test('who left while the others are told is told no more', () => {
    const controller = new AbortController();
    const late = vi.fn();
    onAbort(controller.signal, () => second[Symbol.dispose]());
    const second = onAbort(controller.signal, late);
    controller.abort();
    expect(late).not.toHaveBeenCalled();
  });

  test('an aborted signal, or none, calls nobody', () => {
    const listener = vi.fn();
    onAbort(AbortSignal.abort(), listener)[Symbol.dispose]();
    onAbort(undefined, listener)[Symbol.dispose]();
    expect(listener).not.toHaveBeenCalled();
  });
});
