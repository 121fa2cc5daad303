import { CloisterError } from '../errors.js';
import { checkTexts } from './check.js';

interface Entry {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The sandboxes of one host by id and by name. */
export class SandboxRegistry<T extends Entry> {
  readonly #byId = new Map<string, T>();
  /** Holds names of sandboxes that are being made, too. */
  readonly #names = new Map<string, Promise<T>>();

  get(idOrName: string): T | undefined {
    for (const each of this.#byId.values()) if (each.id === idOrName || each.name === idOrName) return each;
    return undefined;
  }

  /** @throws CloisterError `ERR_INVALID_OPTION` for labels that are no texts. */
  *all(labels: unknown = {}): Generator<T> {
    const wanted = Object.entries(checkTexts('labels', labels));
    for (const each of this.#byId.values()) if (wanted.every(([key, value]) => each.labels[key] === value)) yield each;
  }

  /** The one of this name that exists or is being made. */
  pending(name: string): Promise<T> | undefined {
    return this.#names.get(name);
  }

  /** Takes a name for as long as the sandbox exists, or until `make` fails. @throws CloisterError `ERR_NAME_IN_USE` */
  async add(name: string, make: () => Promise<T>): Promise<T> {
    if (this.#names.has(name)) {
      throw new CloisterError('ERR_NAME_IN_USE', `a sandbox named "${name}" exists already`, {
        subject: name,
        hint: 'remove it first, choose another name, or use Sandbox.getOrCreate',
      });
    }
    const made = make();
    this.#names.set(name, made);
    try {
      const sandbox = await made;
      this.#byId.set(sandbox.id, sandbox);
      return sandbox;
    } catch (error) {
      this.#names.delete(name);
      throw error;
    }
  }

  delete(entry: T): void {
    if (this.#byId.delete(entry.id)) this.#names.delete(entry.name);
  }
}
