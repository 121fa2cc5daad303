/** Rights on one resource. @see https://distribution.github.io/distribution/spec/auth/scope/ */
export interface Access {
  /** Undefined is the list of all repositories. */
  readonly repository: string | undefined;
  readonly actions: readonly ('pull' | 'push' | 'delete')[];
}

/** `repository:library/debian:pull` */
export function formatScope({ repository, actions }: Access): string {
  return repository === undefined ? 'registry:catalog:*' : `repository:${repository}:${actions.join(',')}`;
}

const MAX_SCOPES = 32;

/** The name of a repository may hold a port, and with it a colon. */
function split(scope: string): [resource: string, actions: readonly string[]] | undefined {
  const [, resource, actions] = /^([a-z0-9()]+:.+):([a-z*,]+)$/.exec(scope) ?? [];
  return resource === undefined || actions === undefined ? undefined : [resource, actions.split(',')];
}

/** Scopes as a set: one for each resource, in order, so that equal ones look equal. What is no scope is left out. */
export function uniteScopes(scopes: readonly string[]): readonly string[] {
  const united = new Map<string, Set<string>>();
  for (const scope of scopes.slice(0, MAX_SCOPES)) {
    const [resource, actions] = split(scope) ?? [];
    if (resource === undefined || actions === undefined) continue;
    const known = united.get(resource) ?? new Set();
    for (const action of actions) if (action !== '') known.add(action);
    united.set(resource, known);
  }
  return [...united].map(([resource, actions]) => `${resource}:${[...actions].sort().join(',')}`).sort();
}

/** Whether who may do the one may do the other. */
export function coversScopes(granted: readonly string[], wanted: readonly string[]): boolean {
  return uniteScopes([...granted, ...wanted]).join(' ') === uniteScopes(granted).join(' ');
}
