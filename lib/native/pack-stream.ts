import { Socket } from 'node:net';
import { throwIfAborted } from '../shared/abort.js';
import { nativeParts } from './addon.js';
import { closeDescriptor } from './descriptor.js';
import { callAddon } from './kernel.js';
import { packTree, type PackOptions } from './pack.js';

const PIPE_BYTES = 1024 * 1024;

/**
 * {@link packTree} as chunks. Leaving the loop, or an abort, ends the packing.
 *
 * @throws CloisterError as {@link packTree}; `ERR_ABORTED`.
 */
export async function* packStream(
  directory: number,
  { signal, ...options }: PackOptions & { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal, 'packing a tree');
  const [input, output] = callAddon(() => nativeParts().addon.pipe('read', PIPE_BYTES));
  const socket = new Socket({ fd: input, readable: true, writable: false });
  const packing = packTree(directory, output, options);
  closeDescriptor(output);
  packing.catch(() => undefined);
  try {
    for await (const chunk of socket as AsyncIterable<Uint8Array>) {
      throwIfAborted(signal, 'packing a tree');
      yield chunk;
    }
    await packing;
  } finally {
    socket.destroy();
    await packing.catch(() => undefined);
  }
}
