import type { UserSpec } from './spec.js';

/** Highest id; one more stands for "leave it as it is", setresuid(2). */
const MAX_ID = 2 ** 32 - 2;

const isId = (text: string): boolean => /^\d{1,10}$/.test(text) && Number(text) <= MAX_ID;

export const ROOT: UserSpec = { kind: 'ids', uid: 0, gid: 0, groups: [] };

/**
 * `'1000'`, `'1000:100'`, `'name'`, `'name:group'`, `'name:100'`, `'1000:group'`: the forms of an image's `User`, OCI image
 * specification. Undefined for what is none of them.
 */
export function parseUser(text: string): UserSpec | undefined {
  const [, user, group] = /^([^:\0]+)(?::([^:\0]+))?$/.exec(text) ?? [];
  if (user === undefined) return undefined;
  const isNumber = /^\d+$/.test(user);
  if ((isNumber && !isId(user)) || (group !== undefined && /^\d+$/.test(group) && !isId(group))) return undefined;
  if (isNumber && (group === undefined || isId(group))) {
    return { kind: 'ids', uid: Number(user), gid: Number(group ?? user), groups: [] };
  }
  if (user === 'root' && (group === undefined || group === 'root')) return ROOT;
  return { kind: 'name', user: isNumber ? '' : user, group: group ?? '', uid: isNumber ? Number(user) : 0 };
}

/**
 * An image's own `User`; `''` is root, too. Without a group it has all those that the image's files give to that number, as with
 * Docker: group 0 where they do not know it, which images for OpenShift rely on.
 */
export function parseImageUser(text: string): UserSpec | undefined {
  const user = parseUser(text === '' ? 'root' : text);
  return user?.kind === 'ids' && !text.includes(':') ? { kind: 'account', uid: user.uid } : user;
}
