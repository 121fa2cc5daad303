import { CloisterError } from '../errors.js';
import { checkLimits, resolveIoDevice, unmetLimitsError } from './check.js';
import type { GroupContext } from './context.js';
import { KernelCgroup } from './group.js';
import type { GroupState } from './group-state.js';
import type { CgroupLimits, UnmetLimit } from './limits.js';
import { makeGroup } from './make.js';
import type { Cgroup, CgroupManager, CgroupRole, CreateCgroupOptions } from './manager.js';
import { isOwnerAlive } from '../shared/owner.js';
import { discardGroup } from './remove.js';
import { Stock } from './stock.js';
import { sweepOwners } from './sweep.js';

/** A group in stock costs the kernel some 100 KiB and this process one descriptor per v1 tree. */
const STOCK = { min: 2, max: 32 };

/** Checked limits and what to call their kind in the stock. */
interface Recipe {
  readonly role: CgroupRole;
  readonly requested: CgroupLimits;
}

/** Given names are those of files in a directory that the kernel also puts its own files in. */
const NAME = /^[A-Za-z0-9][\w-]{0,63}$/;

/** The manager for every kind of kernel: what differs between them is in its layout. */
export class KernelCgroupManager implements CgroupManager {
  readonly kind: 'v1' | 'v2' | 'hybrid';
  readonly #context: GroupContext;
  readonly #owner: string;
  readonly #recipes = new Map<string, Recipe>();
  readonly #stock: Stock<GroupState>;
  #nextName = 1;
  #isDisposed = false;

  constructor(context: GroupContext, owner: string) {
    this.kind = context.layout.kind;
    this.#context = context;
    this.#owner = owner;
    this.#stock = new Stock({
      ...STOCK,
      make: (key) => this.#make(this.#recipes.get(key) as Recipe),
      discard: discardGroup,
    });
  }

  create(limits: CgroupLimits, { role = 'sandbox', name, delegateUid }: CreateCgroupOptions = {}): Cgroup {
    if (this.#isDisposed) throw new CloisterError('ERR_SANDBOX_STATE', 'the cgroup manager was disposed of');
    const key = JSON.stringify([role, limits], (_, value: unknown) => (value === Infinity ? 'max' : value));
    const recipe = this.#recipes.get(key) ?? this.#learn(key, role, limits);
    if (name === undefined) return new KernelCgroup(this.#stock.take(key) ?? this.#make(recipe), delegateUid);
    if (NAME.test(name)) return new KernelCgroup(makeGroup(this.#context, { ...recipe, name }), delegateUid);
    throw new CloisterError(
      'ERR_INVALID_OPTION',
      `control group name: expected letters, digits, "-" and "_", got "${name}"`,
    );
  }

  check(limits: CgroupLimits): readonly UnmetLimit[] {
    return checkLimits(this.#context, resolveIoDevice(this.#context, limits));
  }

  ownerDirectories(): readonly string[] {
    return this.#context.layout.trees.map(({ ownerPath }) => ownerPath);
  }

  sweep(isAlive: (owner: string) => boolean = isOwnerAlive): Promise<readonly string[]> {
    return sweepOwners(this.#context, this.#owner, isAlive);
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#stock.close();
    for (const tree of this.#context.layout.trees) tree.close();
  }

  #make(recipe: Recipe): GroupState {
    // Not a valid given name: the two cannot collide.
    return makeGroup(this.#context, { ...recipe, name: `_${this.#nextName++}` });
  }

  #learn(key: string, role: CgroupRole, limits: CgroupLimits): Recipe {
    const requested = structuredClone(resolveIoDevice(this.#context, limits));
    const unmet = checkLimits(this.#context, requested);
    if (unmet.length > 0) throw unmetLimitsError(unmet);
    if (this.#recipes.size >= 256) {
      this.#recipes.clear();
      this.#stock.clear();
    }
    const recipe = { role, requested };
    this.#recipes.set(key, recipe);
    return recipe;
  }
}
