import type { ConfigChanges } from '../image/config-changes.js';
import { checkBoolean, checkChoice, checkObject, checkSignal, checkText } from './check.js';
import { CONFIG_KEYS, checkImageConfig, type ImageConfigOptions } from './config-spec.js';
import { checkName } from './image-options.js';

/** What a sandbox is made an image with. What is left out of how the image is run stays as in the sandbox's own image. */
export interface CommitOptions extends ImageConfigOptions {
  author?: string;
  /** For the image's history, as `createdBy`. */
  comment?: string;
  /** What changed the files. Default: `'cloister commit'`. */
  createdBy?: string;
  /** How the new layer is stored, and sent to registries. Default: `'gzip'`. */
  compression?: 'gzip' | 'none';
  /** Whether everything in the sandbox stands still while its files are read. Default: true. */
  pause?: boolean;
  /** Ends the commit with `ERR_ABORTED`; there is no new image then. */
  signal?: AbortSignal;
}

const KEYS = [...CONFIG_KEYS, 'author', 'comment', 'createdBy', 'compression', 'pause', 'signal'] as const;

type Fields = Readonly<Partial<Record<(typeof KEYS)[number], unknown>>>;

export interface CommitSpec {
  /** In full. */
  readonly reference: string;
  readonly config: ConfigChanges;
  readonly author: string | undefined;
  readonly comment: string | undefined;
  readonly createdBy: string | undefined;
  readonly compression: 'gzip' | 'none';
  readonly pause: boolean;
  readonly signal: AbortSignal | undefined;
}

/** @throws CloisterError `ERR_INVALID_OPTION`, `ERR_INVALID_REFERENCE` */
export function checkCommit(reference: unknown, options: unknown): CommitSpec {
  const fields: Fields = checkObject('', options, KEYS);
  return {
    reference: checkName('reference', reference).toString(),
    config: checkImageConfig('', fields),
    author: checkText('author', fields.author, undefined),
    comment: checkText('comment', fields.comment, undefined),
    createdBy: checkText('createdBy', fields.createdBy, undefined),
    compression: checkChoice('compression', fields.compression, ['gzip', 'none'], 'gzip'),
    pause: checkBoolean('pause', fields.pause, true),
    signal: checkSignal('signal', fields.signal),
  };
}
