import { createCipheriv } from 'node:crypto';

/** Bytes that nothing makes smaller, the same for the same seed. */
export function noise(seed: number, length: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length));
}
