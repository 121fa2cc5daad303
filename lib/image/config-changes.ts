import type { Digest } from '../shared/digest.js';
import type { ExposedPort } from './exposed-ports.js';
import { healthcheckJson, type Healthcheck } from './healthcheck.js';
import { MAX_CONFIG_BYTES, type ImageConfig } from './image-config.js';
import { asObject, own, parseJson, type Fields } from './json-fields.js';
import type { Platform } from './platform.js';

/** How an image wants to be run; what is undefined stays as it was, or is not said. */
export interface ConfigChanges {
  /** Added to those of the image; the same name replaces. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  /** Added to those of the image; the same name replaces. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Added to those of the image. */
  readonly exposedPorts?: readonly ExposedPort[] | undefined;
  /** Added to those of the image. */
  readonly volumes?: readonly string[] | undefined;
  readonly stopSignal?: string | undefined;
  /** Replaces that of the image. */
  readonly healthcheck?: Healthcheck | undefined;
}

/** One more step of how the image was made, with its layer. */
export interface NewStep {
  /** Of the layer's uncompressed archive. */
  readonly diffId: Digest;
  /** RFC 3339. */
  readonly created: string;
  readonly createdBy: string;
  readonly author: string | undefined;
  readonly comment: string | undefined;
}

/** What Docker writes down about the container that an image was made in: not true of the next one. */
const OF_ITS_MAKER = ['container', 'container_config', 'docker_version', 'id', 'parent', 'throwaway'];

/** As a set is written in the document. */
function setOf(known: unknown, more: readonly string[]): Fields {
  return { ...(known as Fields | undefined), ...Object.fromEntries(more.map((each) => [each, {}])) };
}

function given(fields: Readonly<Record<string, unknown>>): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function changeRun(before: Fields, { env }: Pick<ImageConfig, 'env'>, changes: ConfigChanges): Fields {
  const allEnv = Object.entries({ ...env, ...changes.env }).map(([name, value]) => `${name}=${value}`);
  const ports = changes.exposedPorts?.map(({ port, protocol }) => `${port}/${protocol}`);
  return {
    ...before,
    ...given({
      Env: changes.env && allEnv,
      Entrypoint: changes.entrypoint,
      Cmd: changes.cmd,
      WorkingDir: changes.workingDir,
      User: changes.user,
      Labels: changes.labels && { ...(own(before, 'Labels') as Fields | undefined), ...changes.labels },
      ExposedPorts: ports && setOf(own(before, 'ExposedPorts'), ports),
      Volumes: changes.volumes && setOf(own(before, 'Volumes'), changes.volumes),
      StopSignal: changes.stopSignal,
      Healthcheck: changes.healthcheck && healthcheckJson(changes.healthcheck),
    }),
  };
}

function historyEntry({ created, createdBy, author, comment }: NewStep): Fields {
  return given({ created, created_by: createdBy, author, comment });
}

/**
 * The configuration of an image with one layer more than another one has. Fields that this library does not know stay.
 *
 * @param bytes - the other image's configuration as it was written, which {@link parseImageConfig} has read as `config`.
 */
export function changedConfig(bytes: Uint8Array, config: ImageConfig, changes: ConfigChanges, step: NewStep): Buffer {
  const document = parseJson('image configuration', bytes, MAX_CONFIG_BYTES);
  const before = Object.fromEntries(Object.entries(document).filter(([key]) => !OF_ITS_MAKER.includes(key)));
  const { created, author } = step;
  const history = (own(document, 'history') as readonly unknown[] | undefined) ?? [];
  return Buffer.from(
    JSON.stringify({
      ...before,
      ...given({ created, author }),
      config: changeRun(asObject('image configuration: config', own(document, 'config') ?? {}), config, changes),
      rootfs: { type: 'layers', diff_ids: [...config.diffIds, step.diffId] },
      history: [...history, historyEntry(step)],
    }),
  );
}

/** The configuration of an image of one layer, as OCI writes it. */
export function newConfig({ os, architecture, variant }: Platform, changes: ConfigChanges, step: NewStep): Buffer {
  const { created, author } = step;
  return Buffer.from(
    JSON.stringify({
      ...given({ created, author, architecture, variant, os }),
      config: changeRun({}, { env: {} }, changes),
      rootfs: { type: 'layers', diff_ids: [step.diffId] },
      history: [historyEntry(step)],
    }),
  );
}
