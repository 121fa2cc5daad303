import { throwIfAborted } from '../../shared/abort.js';
import type { ImageNames, ImageRecord } from '../image-names.js';

/** Gives all of these names or none: what they stood for before is put back when one cannot be given. */
export async function putNames(
  names: ImageNames,
  records: readonly ImageRecord[],
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal, 'naming images');
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const record of records) {
      const before = await names.get(record.reference);
      undo.push(() => (before === undefined ? forget(names, record.reference) : names.put(before)));
      await names.put(record);
    }
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => undefined);
    throw error;
  }
}

async function forget(names: ImageNames, reference: string): Promise<void> {
  using _lock = await names.lock();
  await names.delete(reference);
}
