import type { Fetches } from './fetches.ts';
import type { Neighbourhood } from './neighbourhood.ts';
import type { Fetch } from './neighbour.ts';
import type { Read, ReadPlan } from './read-plan.ts';

/** Choices are made this often at least, where nothing keeps this node from it. */
const LOOK_MS = 250;

/** What was asked of a source that has fallen silent. */
export type Silent = { readonly fetch: Fetch; readonly read?: undefined } | { readonly read: Read; readonly fetch?: undefined };

/** What somebody owes who has fallen silent is wanted from others; it is waited for all the same, for it may be all that there is. */
export class SilenceWatch {
  readonly #neighbourhood: Neighbourhood;
  readonly #fetches: Fetches;
  readonly #reads: ReadPlan;
  #lookedAt: number | undefined;

  constructor(neighbourhood: Neighbourhood, fetches: Fetches, reads: ReadPlan) {
    this.#neighbourhood = neighbourhood;
    this.#fetches = fetches;
    this.#reads = reads;
  }

  /** What has fallen silent since the last look. @param now ms */
  *look(now: number): Iterable<Silent> {
    // What came while nobody looked is not taken in yet: a node that was stopped or starved itself hears nobody.
    const absentMs = Math.max(0, now - (this.#lookedAt ?? now) - LOOK_MS);
    this.#lookedAt = now;
    const neighbours = this.#neighbourhood.all;
    for (const neighbour of neighbours.values()) {
      for (const fetch of neighbour.fetches.values()) {
        fetch.heardAt += absentMs;
        if (!this.#fetches.fallsSilent(fetch, now)) continue;
        this.#neighbourhood.mute(neighbour, now);
        yield { fetch };
      }
    }
    for (const read of this.#reads.reads.values()) {
      read.heardAt += absentMs;
      if (!this.#reads.fallsSilent(read, now)) continue;
      neighbours.get(read.source ?? '')?.failed(now);
      yield { read };
    }
  }
}
