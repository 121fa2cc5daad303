import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CloisterError } from '../../lib/errors.js';
import { parseDockerManifest } from '../../lib/image/archive/docker-manifest.js';
import { checkMarker, parseLayoutIndex } from '../../lib/image/archive/oci-layout.js';
import { plainName } from '../../lib/image/archive/tar-files.js';
import { MEDIA_TYPE } from '../../lib/image/media-types.js';
import { parsePlatform } from '../../lib/image/platform.js';

const MACHINE = parsePlatform('linux/amd64');

/** Whatever comes in, a value or a typed error comes out. */
function settles<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    expect(CloisterError.is(error) && error.code).toBe('ERR_IMAGE_INVALID');
    return undefined;
  }
}

const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('__proto__', 'constructor', '../..', '/etc/passwd', '', '\0'));
const text = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[a-zA-Z0-9./:@_-]{0,30}$/) },
  { weight: 1, arbitrary: odd },
);
const name = fc.oneof(fc.constantFrom('1', 'latest', 'debian:12', 'localhost:5000/a/b:c', 'a@sha256:0'), text);

/** The shape of a document, with anything anywhere. */
const descriptor = fc.record(
  {
    mediaType: fc.oneof(fc.constantFrom(...Object.values(MEDIA_TYPE)), text),
    digest: fc.oneof(
      hex.map((each) => `sha256:${each}`),
      text,
    ),
    size: fc.oneof(fc.nat(), fc.double(), odd),
    platform: fc.oneof(fc.record({ os: text, architecture: fc.oneof(fc.constant('amd64'), text) }), odd),
    annotations: fc.oneof(
      fc.record({ 'org.opencontainers.image.ref.name': name, 'io.containerd.image.name': name }, { requiredKeys: [] }),
      odd,
    ),
  },
  { requiredKeys: ['mediaType', 'digest', 'size'] },
);
const index = fc.record(
  {
    schemaVersion: fc.oneof(fc.constant(2), odd),
    mediaType: text,
    manifests: fc.oneof(fc.array(descriptor, { maxLength: 4 }), odd),
  },
  { requiredKeys: ['schemaVersion', 'manifests'] },
);
const image = fc.record({
  Config: text,
  RepoTags: fc.oneof(fc.array(name), odd),
  Layers: fc.oneof(fc.array(text), odd),
});

const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const broken = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((each) => Buffer.from(each)),
);

test('whatever is an index.json, it is read or refused; every name stands for one image', () => {
  fc.assert(
    fc.property(fc.oneof(index.map(bytesOf), broken), (bytes) => {
      const images = settles(() => parseLayoutIndex('x', bytes, MACHINE));
      if (images === undefined) return;
      expect(images.length).toBeGreaterThan(0);
      const names = images
        .filter(({ name: each }) => each.kind !== 'none')
        .map(({ name: each }) => JSON.stringify(each));
      expect(new Set(names).size).toBe(names.length);
      for (const { root } of images) expect(root.digest).toMatch(/^sha(256|512):[0-9a-f]+$/);
    }),
    { numRuns: 3000 },
  );
});

test('whatever is a manifest.json, it is read or refused; no file outside of the archive is named', () => {
  fc.assert(
    fc.property(fc.oneof(fc.oneof(fc.array(image, { maxLength: 3 }), odd).map(bytesOf), broken), (bytes) => {
      for (const { config, layers, names } of settles(() => parseDockerManifest('x', bytes)) ?? []) {
        expect(names.length).toBeGreaterThan(0);
        for (const file of [config, ...layers]) {
          expect(plainName(file)).toBe(file);
          expect(file.split('/')).not.toContain('..');
        }
      }
    }),
    { numRuns: 3000 },
  );
});

test('whatever is an oci-layout, it is taken or refused', () => {
  const marker = fc.record({ imageLayoutVersion: fc.oneof(fc.constantFrom('1.0.0', '1.1', '2.0.0'), odd) });
  fc.assert(
    fc.property(fc.oneof(marker.map(bytesOf), broken), (bytes) => {
      settles(() => checkMarker('x', bytes));
    }),
  );
});
