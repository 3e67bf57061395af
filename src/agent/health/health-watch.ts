import type { Logger } from '../../log.ts';
import type { HealthLevel, NodeHealth, PartHealth } from '../../status/status-document.ts';
import type { Finding } from './finding.ts';

const SEVERITY: Readonly<Record<HealthLevel, number>> = { ok: 0, unknown: 1, degraded: 2, bad: 3 };
const MAX_SENTENCES = 3;

export interface HealthWatchOptions {
  /** How each part is, by its name. Quick, from memory. */
  readonly find: () => Readonly<Record<string, Finding>>;
  /** Whether pulls can be served. */
  readonly isReady: (parts: Readonly<Record<string, Finding>>) => boolean;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * The one source of what is said of a node's health, on every way. It remembers since when each part is as it is, and logs when that
 * changes: so it is looked at regularly, whether or not anybody asks.
 */
export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #since = new Map<string, { readonly level: HealthLevel; readonly since: number }>();

  constructor(options: HealthWatchOptions) {
    this.#options = options;
  }

  look(): NodeHealth {
    const found = this.#options.find();
    const parts = Object.fromEntries(
      Object.entries(found).map(([name, finding]): [string, PartHealth] => [name, this.#part(name, finding)]),
    );
    return { ...this.#whole(parts), ready: this.#options.isReady(found), parts };
  }

  #part(name: string, { level, sentence }: Finding): PartHealth {
    const { now, log } = this.#options;
    const before = this.#since.get(name);
    let { since } = before ?? { since: now() };
    if (before?.level !== level) {
      since = now();
      this.#since.set(name, { level, since });
      if (level === 'bad' || level === 'degraded') log.warn(`${name} ${level}: ${sentence}`);
      else if (level === 'ok' && before !== undefined) log.info(`${name} ok: ${sentence}`);
    }
    return { level, sentence, since: new Date(since).toISOString() };
  }

  /** As bad as its worst part; of what is not known yet only the origin counts. */
  #whole(parts: Readonly<Record<string, PartHealth>>): Pick<NodeHealth, 'level' | 'sentence' | 'since'> {
    const listed = Object.entries(parts)
      .filter(([, { level }]) => level === 'bad' || level === 'degraded')
      .sort(([, a], [, b]) => SEVERITY[b.level] - SEVERITY[a.level]);
    const worst = listed[0]?.[1].level ?? (parts['origin']?.level === 'unknown' ? 'unknown' : 'ok');
    const told = (listed.length > 0 ? listed : Object.entries(parts).filter(([name]) => name === 'origin' || name === 'members')).map(
      ([, { sentence }]) => sentence,
    );
    const more = told.length > MAX_SENTENCES ? `; and ${told.length - MAX_SENTENCES} more` : '';
    const { level, since } = this.#since.get('') ?? {};
    if (level !== worst) this.#since.set('', { level: worst, since: this.#options.now() });
    return {
      level: worst,
      sentence: `${told.slice(0, MAX_SENTENCES).join('; ')}${more}`,
      since: new Date(level === worst && since !== undefined ? since : this.#options.now()).toISOString(),
    };
  }
}
