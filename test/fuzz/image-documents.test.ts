import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CloisterError } from '../../lib/errors.js';
import { parseImageConfig } from '../../lib/image/image-config.js';
import { parseManifest } from '../../lib/image/manifest.js';
import { MEDIA_TYPE } from '../../lib/image/media-types.js';
import { choosePlatform } from '../../lib/image/platform-match.js';
import { formatPlatform, parsePlatform } from '../../lib/image/platform.js';
import { parseReference } from '../../lib/image/reference.js';

/** Whatever comes in, a value or an error of that code comes out. */
function settles<T>(code: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    expect(CloisterError.is(error) && error.code).toBe(code);
    return undefined;
  }
}

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'.split('')), { minLength: length, maxLength: length })
    .map((all) => all.join(''));
const digest = fc.oneof(
  hex(64).map((text) => `sha256:${text}`),
  hex(128).map((text) => `sha512:${text}`),
);

/** Texts that the grammar makes, by its own words. */
const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const component = fc
  .tuple(word, fc.array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '---'), word), { maxLength: 2 }))
  .map(([first, rest]) => first + rest.flat().join(''));
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const host = fc.oneof(
  fc.constantFrom('localhost', '[::1]', '[fe80::a:B]', '127.0.0.1', 'A.example'),
  fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?\.[a-z]{2}$/),
);
const port = fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined });
const registry = fc.tuple(host, port).map(([name, number]) => (number === undefined ? name : `${name}:${number}`));
const tag = fc.stringMatching(/^\w[\w.-]{0,20}$/);

test('a reference of the grammar is read part by part, and its full text is read as the same', () => {
  fc.assert(
    fc.property(
      registry,
      path,
      fc.option(tag, { nil: undefined }),
      fc.option(digest, { nil: undefined }),
      (name, repository, version, hash) => {
        const text = `${name}/${repository}${version === undefined ? '' : `:${version}`}${hash === undefined ? '' : `@${hash}`}`;
        const reference = parseReference(text);
        expect(reference).toMatchObject({
          registry: name,
          repository,
          tag: version ?? (hash === undefined ? 'latest' : undefined),
          digest: hash,
        });
        expect(parseReference(reference.toString())).toEqual(reference);
        expect(parseReference(reference.familiar)).toEqual(reference);
      },
    ),
    { numRuns: 2000 },
  );
});

test('whatever is given as a reference, it is read or refused, and what is read is canonical', () => {
  const noise = fc.stringMatching(/^[a-zA-Z0-9.:/@_[\]-]{0,40}$/);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        noise,
        fc.tuple(noise, digest).map((both) => both.join('@')),
      ),
      (text) => {
        const reference = settles('ERR_INVALID_REFERENCE', () => parseReference(text));
        if (reference === undefined) return;
        // The grammar of distribution/reference, from its documentation.
        expect(reference.toString()).toMatch(
          /^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(:\d+)?\/[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*)*(:\w[\w.-]{0,127})?(@sha(256|512):[0-9a-f]+)?$/,
        );
        expect(parseReference(reference.toString())).toEqual(reference);
      },
    ),
    { numRuns: 4000 },
  );
});

test('whatever is given as a platform, it is read or refused, and its name is read as the same', () => {
  const noise = fc.stringMatching(/^(linux|LINUX|arm|x86_64|[a-z0-9/.]{0,6})(\/[a-zA-Z0-9_.-]{0,8}){0,3}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), noise), (text) => {
      const platform = settles('ERR_INVALID_OPTION', () => parsePlatform(text));
      if (platform !== undefined) expect(parsePlatform(formatPlatform(platform))).toEqual(platform);
    }),
    { numRuns: 4000 },
  );
});

const descriptor = fc.record({
  mediaType: fc.constantFrom(...Object.values(MEDIA_TYPE)),
  digest,
  size: fc.maxSafeNat(),
  platform: fc.option(
    fc.record({
      os: fc.constantFrom('linux', 'windows', 'unknown'),
      architecture: fc.constantFrom('amd64', 'arm64', 'arm', '386', 'unknown', '__proto__', 'constructor'),
      variant: fc.constantFrom('v1', 'v3', 'v7', 'v8', '', 'valueOf'),
    }),
    { nil: undefined },
  ),
});
const manifest = fc.record({
  schemaVersion: fc.constant(2),
  mediaType: fc.constantFrom(MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest),
  config: descriptor,
  layers: fc.array(descriptor, { maxLength: 4 }),
});
const index = fc.record({
  schemaVersion: fc.constant(2),
  mediaType: fc.constantFrom(MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerManifestList),
  manifests: fc.array(descriptor, { maxLength: 6 }),
});
const config = fc.record({
  os: fc.constant('linux'),
  architecture: fc.constant('amd64'),
  rootfs: fc.record({ type: fc.constant('layers'), diff_ids: fc.array(digest, { minLength: 1, maxLength: 1 }) }),
  config: fc.record({
    Env: fc.array(fc.string()),
    Cmd: fc.array(fc.string()),
    Labels: fc.dictionary(fc.string(), fc.string()),
  }),
  history: fc.array(fc.record({ empty_layer: fc.boolean() }), { maxLength: 2 }),
});

/** A document with one value, at any depth, replaced by something else. */
function spoiled(document: fc.Arbitrary<object>): fc.Arbitrary<object> {
  return fc.tuple(document, fc.jsonValue(), fc.nat(), fc.boolean()).map(([whole, other, at, renames]) => {
    const places: [Record<string, unknown>, string][] = [];
    const walk = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const key of Object.keys(node)) {
        places.push([node as Record<string, unknown>, key]);
        walk((node as Record<string, unknown>)[key]);
      }
    };
    const copy = structuredClone(whole);
    walk(copy);
    const [node, key] = places[at % places.length]!;
    if (renames) node[key.toUpperCase()] = node[key];
    else node[key] = other;
    return copy;
  });
}

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

test('whole documents are read', () => {
  fc.assert(
    fc.property(manifest, index, (one, many) => {
      expect(parseManifest(bytesOf(one), undefined).kind).toBe('manifest');
      expect(parseManifest(bytesOf(many), undefined).kind).toBe('index');
    }),
  );
});

test('a hostile manifest is read or refused, and choosing from it never takes what is unknown', () => {
  const bytes = fc.oneof(
    spoiled(manifest).map(bytesOf),
    spoiled(index).map(bytesOf),
    index.map(bytesOf),
    fc.json().map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 64 }),
  );
  const announced = fc.option(fc.constantFrom(...Object.values(MEDIA_TYPE)), { nil: undefined });
  fc.assert(
    fc.property(bytes, announced, (json, mediaType) => {
      const found = settles('ERR_IMAGE_INVALID', () => parseManifest(json, mediaType));
      if (found?.kind !== 'index') return;
      const choice = settles('ERR_PLATFORM_NOT_FOUND', () =>
        choosePlatform(found.manifests, parsePlatform('linux/arm64'), 'app'),
      );
      expect([undefined, 'linux']).toContain(choice?.platform?.os);
    }),
    { numRuns: 3000 },
  );
});

test('a hostile configuration is read or refused', () => {
  const bytes = fc.oneof(
    spoiled(config).map(bytesOf),
    config.map(bytesOf),
    fc.json().map((text) => new TextEncoder().encode(text)),
  );
  fc.assert(
    fc.property(bytes, (json) => {
      settles('ERR_IMAGE_INVALID', () => parseImageConfig(json, 1));
    }),
    { numRuns: 3000 },
  );
});
