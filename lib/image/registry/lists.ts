import { parseJson, asList, own, refuse } from '../json-fields.js';
import type { Call, Endpoint } from './endpoint.js';
import { misbehaviour } from './failure.js';
import type { HttpResponse } from './http/http-response.js';

const PAGE_SIZE = 1000;
const MAX_PAGES = 1000;
const MAX_ENTRIES = 100_000;
const MAX_PAGE_BYTES = 16 * 2 ** 20;

/** The target of `rel=next` in `Link` headers, RFC 8288; undefined at the end of a list. */
export function parseNextLink(headers: readonly string[]): string | undefined {
  for (const header of headers) {
    for (const [, target, parameters] of header.slice(0, 16_384).matchAll(/<([^<>]*)>([^<]*)/g)) {
      if (/;\s*rel\s*=\s*"?(?:[^",;]*\s)?next(?:\s[^",;]*)?"?\s*(?:[;,]|$)/i.test(parameters ?? '')) return target;
    }
  }
  return undefined;
}

/** The next page; on the host that was asked, whatever a proxy made of its address. */
function nextPage(what: string, response: HttpResponse): URL | undefined {
  const target = parseNextLink(response.headers('link'));
  if (target === undefined) return undefined;
  const next = URL.canParse(target, response.url.href) ? new URL(target, response.url) : undefined;
  if (next?.hostname !== response.url.hostname)
    throw misbehaviour(what, response.url.host, 'has the rest of a list elsewhere');
  return new URL(next.pathname + next.search, response.url);
}

/**
 * Reads a list page by page.
 *
 * @param read - the entries of one page; called with the page's body.
 */
export async function readPages<T>(
  endpoint: Endpoint,
  first: Call,
  read: (bytes: Uint8Array) => readonly T[],
): Promise<readonly T[]> {
  const what = endpoint.describe(first);
  const entries: T[] = [];
  const seen = new Set<string>();
  let page: URL | string | undefined = first.path;
  while (page !== undefined) {
    if (seen.has(String(page)) || seen.size >= MAX_PAGES || entries.length > MAX_ENTRIES)
      throw misbehaviour(what, endpoint.location.registry, 'has a list without end');
    seen.add(String(page));
    const { items, next }: { items: readonly T[]; next: URL | undefined } = await endpoint.try(
      { ...first, path: page },
      async (response) => {
        const tooLong = (): Error => misbehaviour(what, response.url.host, 'sends a page without end');
        return { items: read(await response.bytes(MAX_PAGE_BYTES, tooLong)), next: nextPage(what, response) };
      },
    );
    entries.push(...items);
    page = next;
  }
  return entries;
}

/** Texts under one name; what is no name of the kind is left out. */
function namesIn(where: string, bytes: Uint8Array, field: string, name: RegExp): readonly string[] {
  const list = asList(`${where}.${field}`, own(parseJson(where, bytes, MAX_PAGE_BYTES), field), MAX_ENTRIES);
  return list
    .map((each) => (typeof each === 'string' ? each : refuse(where, 'a list of texts', each)))
    .filter((each) => name.test(each));
}

export async function listTags(
  endpoint: Endpoint,
  repository: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const call: Call = {
    what: 'list tags',
    repository,
    method: 'GET',
    path: 'tags/list',
    query: { n: String(PAGE_SIZE) },
    access: [{ repository, actions: ['pull'] }],
    expect: [200],
    signal,
  };
  return readPages(endpoint, call, (bytes) => namesIn(endpoint.describe(call), bytes, 'tags', /^\w[\w.-]{0,127}$/));
}

export async function listRepositories(
  endpoint: Endpoint,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const call: Call = {
    what: 'list repositories',
    repository: undefined,
    method: 'GET',
    path: '_catalog',
    query: { n: String(PAGE_SIZE) },
    access: [{ repository: undefined, actions: [] }],
    expect: [200],
    isAboutImage: false,
    signal,
  };
  return readPages(endpoint, call, (bytes) =>
    namesIn(endpoint.describe(call), bytes, 'repositories', /^[a-z0-9][a-z0-9._/-]{0,254}$/),
  );
}
