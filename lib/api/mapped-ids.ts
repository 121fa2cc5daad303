import { invalidOption } from '../errors.js';
import type { IdMapEntry } from '../native/plan.js';
import type { SandboxIds, UserSpec } from '../runtime/spec.js';
import { RANGE_SIZE } from '../security/id-ranges.js';

const AUTO: readonly IdMapEntry[] = [{ inside: 0, outside: 0, count: RANGE_SIZE }];

function show(map: readonly IdMapEntry[]): string {
  return map.map(({ inside, count }) => (count === 1 ? `${inside}` : `${inside} to ${inside + count - 1}`)).join(', ');
}

function isMapped(map: readonly IdMapEntry[], id: number): boolean {
  return map.some(({ inside, count }) => id >= inside && id - inside < count);
}

/** The kernel takes no map in which an id stands twice, user_namespaces(7). */
export function demandDisjoint(option: string, map: readonly IdMapEntry[]): void {
  for (const side of ['inside', 'outside'] as const) {
    const sorted = [...map].sort((a, b) => a[side] - b[side]);
    for (const [index, entry] of sorted.entries()) {
      const next = sorted[index + 1];
      if (next === undefined || entry[side] + entry.count <= next[side]) continue;
      const first = `${entry[side]} to ${entry[side] + entry.count - 1}`;
      throw invalidOption(option, `ranges that do not overlap ${side}`, `${first} and ${next[side]} on`);
    }
  }
}

/**
 * A user that the sandbox's user namespace does not have could not be switched to, user_namespaces(7). Names are looked up later.
 *
 * @param given - the option `user`: what of it was written by whom it is about.
 */
export function checkMapped(user: UserSpec | undefined, given: unknown, ids: SandboxIds): void {
  if (user === undefined || ids.kind === 'host') return;
  const [uids, gids] = ids.kind === 'map' ? [ids.uids, ids.gids] : [AUTO, AUTO];
  const isObject = typeof given === 'object';
  const demand = (key: string, what: string, map: readonly IdMapEntry[], id: number): void => {
    if (isMapped(map, id)) return;
    const expected = `a ${what} that the sandbox has: ${show(map)}`;
    throw invalidOption(
      isObject ? `user.${key}` : 'user',
      expected,
      id,
      'security.userNamespace says which ids it has',
    );
  };
  demand('uid', 'user id', uids, user.uid);
  if (user.kind !== 'ids') return;
  demand('gid', 'group id', gids, user.gid);
  for (const [index, gid] of user.groups.entries()) demand(`groups[${index}]`, 'group id', gids, gid);
}
