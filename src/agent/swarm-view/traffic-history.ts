import { z } from 'zod';
import { join } from 'node:path';
import type { Logger } from '../../log.ts';
import { readStateFile, writeStateFile } from '../../swarm/network/state-file.ts';

const MINUTES = 60;
const MINUTE_MS = 60_000;

/** Bytes that came, from where. */
export interface Received {
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
}

export interface Hour {
  /** Of the last, in minutes since the epoch. */
  readonly minute: number;
  /** Bytes a minute, the latest last; as many as are known, at most 60. */
  readonly origin: readonly number[];
  readonly peers: readonly number[];
}

const amount = z.int().min(0);
const savedSchema = z.object({
  day: z.string().max(10),
  originBytes: amount,
  peersBytes: amount,
  minute: amount,
  origin: z.array(amount).max(MINUTES),
  peers: z.array(amount).max(MINUTES),
});

/** What came in the last hour, minute by minute, and since midnight of this host; kept over restarts. Counters are looked at now and then. */
export class TrafficHistory {
  readonly #now: () => number;
  #before: Received = { fromOriginBytes: 0, fromPeersBytes: 0 };
  #day: string;
  #today = { originBytes: 0, peersBytes: 0 };
  #minute: number;
  #origin: number[] = [0];
  #peers: number[] = [0];
  #isSaved = true;

  constructor(now: () => number) {
    this.#now = now;
    this.#day = dayOf(now());
    this.#minute = Math.floor(now() / MINUTE_MS);
  }

  static async open(data: string, now: () => number): Promise<TrafficHistory> {
    const history = new TrafficHistory(now);
    const saved = await readStateFile(pathIn(data), savedSchema);
    if (saved !== undefined) history.#restore(saved);
    return history;
  }

  /** `counters`: since the agent's start. */
  look({ fromOriginBytes, fromPeersBytes }: Received): void {
    this.#turn();
    // a counter that went back began anew
    const origin = Math.max(0, fromOriginBytes - this.#before.fromOriginBytes);
    const peers = Math.max(0, fromPeersBytes - this.#before.fromPeersBytes);
    this.#before = { fromOriginBytes, fromPeersBytes };
    if (origin + peers === 0) return;
    this.#today = { originBytes: this.#today.originBytes + origin, peersBytes: this.#today.peersBytes + peers };
    this.#origin[this.#origin.length - 1]! += origin;
    this.#peers[this.#peers.length - 1]! += peers;
    this.#isSaved = false;
  }

  get today(): { readonly originBytes: number; readonly peersBytes: number } {
    this.#turn();
    return this.#today;
  }

  get hour(): Hour {
    this.#turn();
    return { minute: this.#minute, origin: [...this.#origin], peers: [...this.#peers] };
  }

  /** Never throws: what is lost is a figure for people. */
  async save(data: string, log: Logger): Promise<void> {
    if (this.#isSaved) return;
    this.#isSaved = true;
    try {
      await writeStateFile(pathIn(data), {
        day: this.#day,
        ...this.#today,
        minute: this.#minute,
        origin: this.#origin,
        peers: this.#peers,
      });
    } catch (error) {
      log.debug('cannot keep the figures of the last hour', { reason: String(error) });
    }
  }

  #turn(): void {
    const now = this.#now();
    const day = dayOf(now);
    if (day !== this.#day) {
      this.#day = day;
      this.#today = { originBytes: 0, peersBytes: 0 };
    }
    const minute = Math.floor(now / MINUTE_MS);
    // a clock that is set back goes on in the same minute
    for (let passed = Math.min(MINUTES, minute - this.#minute); passed > 0; passed--) {
      this.#origin.push(0);
      this.#peers.push(0);
    }
    this.#origin = this.#origin.slice(-MINUTES);
    this.#peers = this.#peers.slice(-MINUTES);
    this.#minute = minute;
  }

  #restore({ day, originBytes, peersBytes, minute, origin, peers }: z.infer<typeof savedSchema>): void {
    if (day === this.#day) this.#today = { originBytes, peersBytes };
    if (minute > this.#minute || origin.length === 0 || origin.length !== peers.length) return;
    this.#minute = minute;
    this.#origin = [...origin];
    this.#peers = [...peers];
    this.#turn();
  }
}

function pathIn(data: string): string {
  return join(data, 'traffic.json');
}

/** As the host's clock shows it. */
function dayOf(time: number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')}`;
}
