import { setTimeout as sleep } from 'node:timers/promises';
import { onAbort } from '../../../async/abort.ts';
import { newRate, type RateState } from '../../../origin/budget.ts';
import { SharedDebts } from '../../shared-debts.ts';
import { Pacer, type Pace, type PacerClock } from './pacer.ts';

/** Bytes a second; 0: no limit. */
export interface BandwidthLimits {
  /** Sent to members. */
  readonly upload: number;
  /** Received from members and from origins. */
  readonly download: number;
  /** Sent to, and received from, any one host of members. */
  readonly host: number;
}

/** The limits as threads are told them. */
export interface SharedBandwidth {
  readonly upload: RateState | undefined;
  readonly download: RateState | undefined;
  readonly host: number;
  /** What hosts were sent, and sent; absent where there is no limit of hosts. */
  readonly hosts: { readonly sent: SharedArrayBuffer; readonly received: SharedArrayBuffer } | undefined;
}

/** What a lane may send and receive; nothing holds it back where there is no limit. */
export interface LanePaces {
  readonly sending: Pace | undefined;
  readonly receiving: Pace | undefined;
}

/** Not of this thread alone, as `performance.now` is. */
const PROCESS_CLOCK: PacerClock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  sleep: async (milliseconds) => {
    await sleep(milliseconds);
  },
};

/**
 * The bandwidth that this node may use for blobs. Threads share the limits of the node, and those of each host: a host has lanes to all of
 * them.
 */
export class Bandwidth {
  /** For the other threads. */
  readonly shared: SharedBandwidth;
  readonly #sending: Pacer | undefined;
  readonly #receiving: Pacer | undefined;

  constructor(limits: BandwidthLimits | SharedBandwidth, clock = PROCESS_CLOCK) {
    const { host: hostRate } = limits;
    const bucket = (rate: number | RateState | undefined): RateState | undefined =>
      typeof rate === 'number' ? (rate === 0 ? undefined : newRate(rate)) : rate;
    const pacer = (state: RateState | undefined, hosts: SharedArrayBuffer | undefined): Pacer | undefined =>
      state === undefined && hostRate === 0
        ? undefined
        : new Pacer({ bucket: state, hostRate, hosts: hosts === undefined ? undefined : new SharedDebts(hosts), clock });
    const hosts =
      'hosts' in limits
        ? limits.hosts
        : hostRate === 0
          ? undefined
          : { sent: new SharedDebts().memory, received: new SharedDebts().memory };
    this.shared = { upload: bucket(limits.upload), download: bucket(limits.download), host: hostRate, hosts };
    this.#sending = pacer(this.shared.upload, hosts?.sent);
    this.#receiving = pacer(this.shared.download, hosts?.received);
  }

  /** For a lane to `host`: an IP address, or a group of them that counts as one. */
  lane(host: string): LanePaces {
    return { sending: this.#sending?.pace(host), receiving: this.#receiving?.pace(host) };
  }

  /** For readings from origins, which take their turn as one host does. */
  get originRate(): { take(bytes: number, signal?: AbortSignal): Promise<void> } | undefined {
    const pacer = this.#receiving;
    return pacer === undefined
      ? undefined
      : {
          take: async (bytes, signal) => {
            await take(pacer, bytes, signal);
          },
        };
  }
}

/** Waits until `bytes` are paid for. Rejects with the signal's reason. */
async function take(pacer: Pacer, bytes: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const pace = pacer.pace(undefined);
  using _ = onAbort(signal, () => {
    reject(signal?.reason as Error);
  });
  try {
    if (!pace.spend(bytes, resolve)) await promise;
  } finally {
    pace.close();
  }
}
