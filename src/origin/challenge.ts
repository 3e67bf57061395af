/** One challenge of a WWW-Authenticate header (RFC 9110 §11.6.1); names are lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8 * 1024;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t]*(?:,[ \t]*)*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;

/**
 * The challenges of one or more header fields, in order. A malformed rest is left out: what was understood before it counts.
 * Parameters belong to the scheme before them until a token without "=" begins the next challenge.
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const text = (typeof header === 'string' ? header : (header?.join(', ') ?? '')).slice(0, MAX_HEADER);
  const scanner = new Scanner(text);
  const challenges: Challenge[] = [];
  scanner.take(SEPARATOR);
  while (!scanner.atEnd) {
    const scheme = scanner.take(TOKEN);
    if (scheme === undefined) break;
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    scanner.take(SPACE);
    if (!takeParameters(scanner, parameters)) break;
  }
  return challenges;
}

/** False when the text cannot be read on. */
function takeParameters(scanner: Scanner, parameters: Map<string, string>): boolean {
  for (let first = true; ; first = false) {
    const start = scanner.position;
    const name = scanner.take(TOKEN);
    if (name === undefined) return (first && scanner.take(TOKEN68) !== undefined) || scanner.skipSeparator();
    scanner.take(SPACE);
    if (!scanner.takeText('=')) {
      // a lone token right after the scheme is a token68; later, after a comma, it is the scheme of the next challenge
      scanner.position = start;
      return !first || (scanner.take(TOKEN68) !== undefined && scanner.skipSeparator());
    }
    scanner.take(SPACE);
    const quoted = scanner.take(QUOTED, 1)?.replaceAll(/\\(.)/gs, '$1');
    const value = quoted ?? scanner.take(TOKEN);
    if (value === undefined) {
      // padding of a token68 such as "abc=="
      scanner.position = start;
      return first && scanner.take(TOKEN68) !== undefined && scanner.skipSeparator();
    }
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, value);
    if (!scanner.skipSeparator()) return false;
  }
}

class Scanner {
  position = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.position >= this.#text.length;
  }

  take(pattern: RegExp, group = 0): string | undefined {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.position = pattern.lastIndex;
    return match[group];
  }

  takeText(text: string): boolean {
    if (!this.#text.startsWith(text, this.position)) return false;
    this.position += text.length;
    return true;
  }

  /** Goes over commas and space; false when there is neither comma nor end. */
  skipSeparator(): boolean {
    const before = this.position;
    this.take(SEPARATOR);
    return this.atEnd || this.#text.slice(before, this.position).includes(',');
  }
}
