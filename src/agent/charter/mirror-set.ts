import { isDeepStrictEqual } from 'node:util';
import type { Origin } from '../../origin/origin.ts';
import type { MirroredRegistry } from '../../registry/registry.ts';
import type { RuledUpstream } from './swarm-rules.ts';

interface Entry {
  readonly upstream: RuledUpstream;
  readonly mirror: MirroredRegistry;
}

/** The registries that are served beside the origin, as the rules have them now. One that stays as it was keeps its connections. */
export class MirrorSet {
  readonly #open: (upstream: RuledUpstream) => MirroredRegistry;
  readonly #onClosed: (error: unknown) => void;
  #entries: readonly Entry[] = [];

  /** `onClosed`: what went wrong with closing one that is served no more. */
  constructor(open: (upstream: RuledUpstream) => MirroredRegistry, onClosed: (error: unknown) => void) {
    this.#open = open;
    this.#onClosed = onClosed;
  }

  list(): readonly MirroredRegistry[] {
    return this.#entries.map(({ mirror }) => mirror);
  }

  /** @throws `config-invalid`, and stays as it was, for one that cannot be opened */
  set(upstreams: readonly RuledUpstream[]): void {
    const before = this.#entries;
    this.#entries = upstreams.map(
      (upstream) => before.find((entry) => isDeepStrictEqual(entry.upstream, upstream)) ?? { upstream, mirror: this.#open(upstream) },
    );
    for (const entry of before) if (!this.#entries.includes(entry)) void this.#close(entry.mirror.origin);
  }

  async close(): Promise<void> {
    await Promise.all(this.list().map(({ origin }) => origin.close()));
  }

  async #close(origin: Origin): Promise<void> {
    try {
      await origin.close();
    } catch (error) {
      this.#onClosed(error);
    }
  }
}
