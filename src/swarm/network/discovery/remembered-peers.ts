import { z } from 'zod';
import { readStateFile, writeStateFile } from '../state-file.ts';
import type { Candidate, Candidates } from './candidates.ts';

const MAX_REMEMBERED = 1000;
const SAVE_DELAY_MS = 1000;

const fileSchema = z.object({
  format: z.literal(1),
  peers: z
    .array(z.object({ peerId: z.string().max(128), addresses: z.array(z.string().max(256)).min(1).max(8), seenAt: z.int().min(0) }))
    .max(MAX_REMEMBERED),
});

/** The members of last time, in a file, so that a node finds back when nobody it was configured with is there. */
export class RememberedPeers {
  readonly #path: string;
  readonly #candidates: Candidates;
  readonly #onWarning: (line: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(path: string, candidates: Candidates, onWarning: (line: string) => void) {
    this.#path = path;
    this.#candidates = candidates;
    this.#onWarning = onWarning;
  }

  async load(now: number): Promise<void> {
    const file = await readStateFile(this.#path, fileSchema);
    for (const { peerId, addresses, seenAt } of file?.peers ?? []) {
      this.#candidates.offer({ peerId, addresses, source: 'remembered', seenAt: Math.min(seenAt, now) }, now);
    }
  }

  /** Members came or went: saves soon, once for many changes. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#save();
    }, SAVE_DELAY_MS);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#save();
    await this.#saving;
  }

  #save(): void {
    const peers = this.#candidates.remembered().slice(0, MAX_REMEMBERED).map(entryOf);
    this.#saving = this.#write(this.#saving, peers);
  }

  async #write(before: Promise<void>, peers: readonly unknown[]): Promise<void> {
    await before;
    try {
      await writeStateFile(this.#path, { format: 1, peers });
    } catch (error) {
      this.#onWarning(`the known members could not be saved: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function entryOf(candidate: Candidate): { peerId: string | undefined; addresses: readonly string[]; seenAt: number } {
  return { peerId: candidate.peerId, addresses: candidate.addresses, seenAt: candidate.seenAt };
}
