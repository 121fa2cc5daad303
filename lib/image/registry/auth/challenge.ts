/** One way to authenticate that a registry offers. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** By lower-case name; the first of several with one name. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8192;
const MAX_CHALLENGES = 16;
const MAX_PARAMETERS = 32;

/** RFC 9110 5.6.2 */
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const SPACE = /[ \t]+/y;
const SEPARATORS = /[ \t,]*/y;
/** RFC 9110 5.6.4 */
const QUOTED = /"((?:[^"\\\p{Cc}]|\t|\\[^\p{Cc}])*)"/uy;

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text) ?? undefined;
    if (match !== undefined) this.#at += match[0].length;
    return match;
  }

  /** `name = value`, or nothing, and then nothing was taken. */
  takeParameter(): [name: string, value: string] | undefined {
    const start = this.#at;
    const name = this.take(TOKEN)?.[0];
    if (name !== undefined && this.take(EQUALS) !== undefined) {
      const quoted = this.take(QUOTED)?.[1];
      const value = quoted?.replace(/\\(.)/g, '$1') ?? this.take(TOKEN)?.[0];
      if (value !== undefined) return [name.toLowerCase(), value];
    }
    this.#at = start;
    return undefined;
  }
}

function takeChallenge(scanner: Scanner): Challenge | undefined {
  const scheme = scanner.take(TOKEN)?.[0].toLowerCase();
  if (scheme === undefined) return undefined;
  const parameters = new Map<string, string>();
  if (scanner.take(SPACE) !== undefined && scanner.take(TOKEN68) === undefined) {
    // A parameter and the next challenge both begin with a token: what is followed by `=` is a parameter.
    for (let parameter = scanner.takeParameter(); parameter !== undefined; parameter = scanner.takeParameter()) {
      if (parameters.size < MAX_PARAMETERS && !parameters.has(parameter[0])) parameters.set(...parameter);
      scanner.take(SEPARATORS);
    }
  }
  return { scheme, parameters };
}

/**
 * Reads `WWW-Authenticate` headers, each with one challenge or several. What comes after something that cannot be read is
 * left out.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  const challenges: Challenge[] = [];
  for (const header of headers) {
    const scanner = new Scanner(header.slice(0, MAX_HEADER));
    scanner.take(SEPARATORS);
    while (!scanner.isAtEnd && challenges.length < MAX_CHALLENGES) {
      const challenge = takeChallenge(scanner);
      if (challenge === undefined) break;
      challenges.push(challenge);
      scanner.take(SEPARATORS);
    }
  }
  return challenges;
}
