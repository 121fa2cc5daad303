import { CloisterError, invalidOption } from '../../errors.js';
import type { Digest } from '../../shared/digest.js';
import { checkInteger, checkText } from '../../shared/option-values.js';
import type { Descriptor } from '../descriptor.js';
import { withDigest, type Reference, type Repository } from '../reference.js';
import {
  checkBytes,
  checkDescriptor,
  checkDigest,
  checkHost,
  checkManifestOptions,
  checkPrefix,
  checkReference,
  checkRepository,
  checkUpload,
  signalOf,
} from './arguments.js';
import type { BlobPrefix } from './blob-download.js';
import { BlobUpload, type UploadOptions, type UploadResult } from './blob-upload.js';
import { deleteBlob, hasBlob } from './blobs.js';
import { CredentialStore, GivenCredentials } from './auth/credential-store.js';
import type { Credentials, CredentialSource } from './auth/credentials.js';
import { Distrust } from './distrust.js';
import type { RegistryServices } from './endpoint.js';
import { Endpoints } from './endpoints.js';
import { listRepositories, listTags } from './lists.js';
import { removeManifest, storeManifest } from './manifest-changes.js';
import { getManifest, headManifest, type FetchedManifest, type ManifestOptions } from './manifests.js';
import { checkRegistryOptions, type RegistryOptions } from './options.js';
import { PlainHttp } from './http/plain-http.js';
import { listReferrers } from './referrers.js';
import { Transport } from './http/transport.js';
import type { OpenSource } from './upload-source.js';

interface SignalOption {
  readonly signal?: AbortSignal | undefined;
}

const NO_CREDENTIALS: CredentialSource = { find: async () => undefined };

/**
 * Speaks the OCI distribution protocol with any number of registries.
 *
 * Every method takes the registry from a reference or a repository, finds out how to reach it (TLS, mirrors, proxies), who we
 * are there (options, Docker's configuration, credential helpers), tries again what may pass by itself, and ends at once when
 * its `signal` is aborted. Content is checked against its digest and size wherever it has one.
 *
 * All methods reject with `CloisterError`: `ERR_REGISTRY_UNREACHABLE` when there was no answer, `ERR_UNAUTHORIZED`,
 * `ERR_IMAGE_NOT_FOUND`, `ERR_REGISTRY` for other answers (the `cause` is a `RegistryAnswer` with its status and codes),
 * `ERR_DIGEST_MISMATCH` for content that is not what its digest says, `ERR_IMAGE_INVALID` for documents that make no sense,
 * `ERR_INVALID_OPTION` for arguments that are none (nothing is asked for then) and unusable settings of the environment,
 * `ERR_ABORTED`. No message holds a secret.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 * @example
 * ```ts
 * const password = process.env.REGISTRY_PASSWORD ?? '';
 * await using client = new RegistryClient({ auth: { 'registry.example': { username: 'me', password } } });
 * const { manifest } = await client.manifest(parseReference('registry.example/team/app:1'));
 * ```
 */
export class RegistryClient implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #services: RegistryServices;
  readonly #isOwner: boolean;
  readonly #distrust: Distrust;
  readonly #endpoints: Endpoints;

  /**
   * Connects to nothing yet.
   *
   * @param parent - a client whose connections are used too, and what it knows of mirrors; closing this one leaves them open.
   * @throws CloisterError `ERR_INVALID_OPTION`
   */
  constructor(options: RegistryOptions = {}, parent?: RegistryClient) {
    const settings = checkRegistryOptions('', options);
    if (parent !== undefined && !(parent instanceof RegistryClient))
      throw invalidOption('parent', 'a RegistryClient', parent);
    const others = settings.useCredentialFiles ? new CredentialStore(settings.transport.env) : NO_CREDENTIALS;
    this.#options = options;
    this.#isOwner = parent === undefined;
    this.#services = {
      transport: parent === undefined ? new Transport(settings.transport) : parent.#services.transport,
      plainHttp: new PlainHttp(settings.insecure),
      credentials: new GivenCredentials(settings.auth, others),
      retry: settings.retry,
    };
    this.#distrust = parent === undefined ? new Distrust() : parent.#distrust;
    this.#endpoints = new Endpoints(this.#services, settings.mirrors, this.#distrust);
  }

  /**
   * The same client with other credentials for one registry: for a single pull or push. Shares connections and
   * what is known of mirrors, and not what the registry knows us by.
   */
  withCredentials(registry: string, credentials: Credentials): RegistryClient {
    const auth = { ...this.#options.auth, [checkHost('registry', registry)]: credentials };
    return new RegistryClient({ ...this.#options, auth }, this);
  }

  /** Whether the registry answers and lets us in. */
  async ping(registry: string, options: SignalOption = {}): Promise<void> {
    const endpoint = this.#endpoints.of(checkHost('registry', registry));
    const signal = signalOf(options);
    const call = { what: 'ping', repository: undefined, method: 'GET', path: '', access: [], expect: [200] } as const;
    await endpoint.try({ ...call, isAboutImage: false, signal }, (response) => response.discard());
  }

  /**
   * What a tag stands for now, without getting it: media type, digest and size. A claim of the registry, until the manifest has
   * been fetched by it.
   */
  async resolve(reference: Reference, options: ManifestOptions = {}): Promise<Descriptor> {
    checkManifestOptions(options);
    return this.#endpoints
      .mirrored(checkReference(reference))
      .first((endpoint) => headManifest(endpoint, reference, options));
  }

  /** A manifest or an index, checked against the reference's digest, `expected` and what the registry itself says of it. */
  async manifest(reference: Reference, options: ManifestOptions = {}): Promise<FetchedManifest> {
    checkManifestOptions(options);
    const { expected } = options;
    const exact = expected === undefined ? checkReference(reference) : withDigest(reference, expected.digest);
    return this.#endpoints
      .mirrored(checkReference(reference))
      .first((endpoint) => getManifest(endpoint, exact, options));
  }

  /**
   * The bytes of a blob as they come, from `from.offset` on. The loop comes to its end only when all bytes, those before
   * `from` included, have the digest and the size of the descriptor; until then they are nothing but bytes. Connections that
   * break are made again and go on where they broke; when the loop throws something else than `ERR_DIGEST_MISMATCH`, what came
   * so far can be kept, and a later call can go on `from` there. Bytes of a mirror that turn out to be wrong come from elsewhere
   * when they are asked for again.
   */
  blob(
    repository: Repository,
    descriptor: Descriptor,
    options: SignalOption & { readonly from?: BlobPrefix | undefined } = {},
  ): AsyncIterable<Uint8Array> {
    const mirrored = this.#endpoints.mirrored(checkRepository(repository));
    const { size } = checkDescriptor('descriptor', descriptor);
    const signal = signalOf(options, 'from');
    checkPrefix(options.from, size);
    return mirrored.blob(repository, descriptor, options.from, signal);
  }

  /** A small blob as a whole: an image's configuration. One of more than `maxBytes` is refused unread. */
  async blobBytes(
    repository: Repository,
    descriptor: Descriptor,
    options: SignalOption & { readonly maxBytes: number },
  ): Promise<Uint8Array> {
    const { digest, size } = checkDescriptor('descriptor', descriptor);
    const signal = signalOf(options, 'maxBytes');
    const given: unknown = options.maxBytes;
    const maxBytes = checkInteger('maxBytes', given ?? null, [0, Number.MAX_SAFE_INTEGER], 0);
    if (size > maxBytes)
      throw new CloisterError(
        'ERR_IMAGE_INVALID',
        `blob ${digest}: expected at most ${maxBytes} bytes, it has ${size}`,
        {
          subject: digest,
        },
      );
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.blob(repository, descriptor, { signal })) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Whether the registry itself has a blob. */
  async hasBlob(
    repository: Repository,
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    options: SignalOption = {},
  ): Promise<boolean> {
    const { registry, repository: name } = checkRepository(repository);
    checkDescriptor('descriptor', descriptor);
    return hasBlob(this.#endpoints.of(registry), name, descriptor, signalOf(options));
  }

  /**
   * Sends a blob, unless the registry has it, or can take it from another of its repositories. An upload that fails or is
   * aborted is cancelled at the registry.
   *
   * @param open - opens the bytes from an offset on; called again when a part has to be sent again.
   */
  async uploadBlob(
    repository: Repository,
    descriptor: Descriptor,
    open: OpenSource,
    options: UploadOptions = {},
  ): Promise<UploadResult> {
    checkUpload(open, options);
    checkDescriptor('descriptor', descriptor);
    return new BlobUpload(
      this.#endpoints.of(checkRepository(repository).registry),
      repository,
      descriptor,
      open,
      options,
    ).run();
  }

  /**
   * Stores a manifest or an index under the reference's tag, or its digest. What it names must be there already. A registry
   * that keeps no lists of referrers gets one, under a tag, when the manifest has a `subject`.
   */
  async putManifest(reference: Reference, bytes: Uint8Array, options: SignalOption = {}): Promise<Descriptor> {
    const endpoint = this.#endpoints.of(checkReference(reference).registry);
    return storeManifest(endpoint, reference, checkBytes('bytes', bytes), signalOf(options));
  }

  /** Deletes a manifest by digest, or a tag where the registry can. Its blobs stay until the registry collects them. */
  async deleteManifest(reference: Reference, options: SignalOption = {}): Promise<void> {
    const endpoint = this.#endpoints.of(checkReference(reference).registry);
    await removeManifest(endpoint, reference, signalOf(options));
  }

  /** Deletes a blob of a repository where the registry can; one that a manifest needs, too. */
  async deleteBlob(repository: Repository, digest: Digest, options: SignalOption = {}): Promise<void> {
    const { registry, repository: name } = checkRepository(repository);
    await deleteBlob(this.#endpoints.of(registry), name, checkDigest('digest', digest), signalOf(options));
  }

  /** All tags of a repository, in the registry's order. */
  async tags(repository: Repository, options: SignalOption = {}): Promise<readonly string[]> {
    const { registry, repository: name } = checkRepository(repository);
    return listTags(this.#endpoints.of(registry), name, signalOf(options));
  }

  /** All repositories of a registry that tells. */
  async catalog(registry: string, options: SignalOption = {}): Promise<readonly string[]> {
    return listRepositories(this.#endpoints.of(checkHost('registry', registry)), signalOf(options));
  }

  /** What refers to a manifest by its `subject`: signatures, SBOMs, attestations. */
  async referrers(
    repository: Repository,
    digest: Digest,
    options: SignalOption & { readonly artifactType?: string } = {},
  ): Promise<readonly Descriptor[]> {
    const endpoint = this.#endpoints.of(checkRepository(repository).registry);
    const signal = signalOf(options, 'artifactType');
    const artifactType = checkText('artifactType', options.artifactType, undefined);
    return listReferrers(endpoint, repository, checkDigest('digest', digest), artifactType, signal);
  }

  /** Ends what is under way with `ERR_ABORTED`, and all connections. */
  async close(): Promise<void> {
    if (this.#isOwner) await this.#services.transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
