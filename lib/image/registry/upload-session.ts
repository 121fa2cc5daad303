import type { HttpResponse } from './http/http-response.js';
import { nextAddress } from './http/redirect.js';

/** Where an upload stands. */
export interface UploadSession {
  /** Where the next request goes; changes with every answer. */
  readonly location: URL;
  /** The first byte that the registry does not have. */
  readonly offset: number;
  /** Bytes that a part must have, but for the last. */
  readonly leastChunk: number;
}

/** `0-9`: ten bytes are there. Registries say `0-0` for none as well as for one. */
export function parseUploadRange(value: string | undefined): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d{1,15})$/.exec(value?.trim() ?? '') ?? [];
  if (last === undefined) return undefined;
  return last === '0' ? 0 : Number(last) + 1;
}

/** What an answer makes of it. @param before - what it leaves out stays. @throws CloisterError for an address that is none */
export function readUploadSession(
  what: string,
  response: HttpResponse,
  {
    offset,
    plainHttp,
    before,
  }: { offset: number; plainHttp: Parameters<typeof nextAddress>[3]; before: UploadSession | undefined },
): UploadSession {
  const header = response.header('location');
  const known = header === undefined ? before?.location : undefined;
  const location = known ?? nextAddress(what, response.url, header, plainHttp);
  const least = /^\d{1,12}$/.exec(response.header('oci-chunk-min-length') ?? '')?.[0];
  return { location, offset, leastChunk: least === undefined ? (before?.leastChunk ?? 0) : Number(least) };
}
