import { invalidOption } from '../errors.js';
import { hostPlatform } from '../image/platform.js';
import { checkObject, checkText } from './check.js';
import { CONFIG_KEYS, checkImageConfig } from './config-spec.js';
import { BASE_KEYS, checkBase, checkName, checkPlatform, checkSource } from './image-options.js';

function checkDate(value: unknown): string {
  if (value === undefined) return new Date().toISOString();
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  throw invalidOption('created', 'a Date', value);
}

export function checkImport(source: unknown, name: unknown, options: unknown) {
  const from = checkSource(source);
  const target = checkName('name', name);
  const base = checkBase(options, undefined, [...BASE_KEYS, 'config', 'platform', 'author', 'comment', 'created']);
  const { fields } = base;
  const { config } = fields;
  const { variant, ...machine } = hostPlatform();
  // The processor's own level is what images are chosen by, not what a file system asks for.
  const platform = checkPlatform(fields['platform']) ?? {
    ...machine,
    variant: machine.architecture === 'arm' ? variant : undefined,
  };
  return {
    ...base,
    from,
    target,
    details: {
      platform,
      changes: config === undefined ? {} : checkImageConfig('config.', checkObject('config', config, CONFIG_KEYS)),
      author: checkText('author', fields['author'], undefined),
      comment: checkText('comment', fields['comment'], undefined),
      created: checkDate(fields['created']),
    },
  };
}
