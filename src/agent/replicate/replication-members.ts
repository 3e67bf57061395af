import { Digest } from '../../oci/digest.ts';
import type { Carriers, HandedOver, JobAnswer } from '../../replicate/replicator.ts';
import { MemberDistance } from '../../swarm/exchange/core/distance.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';
import type { PeerNames } from '../peer-names.ts';

const ASK_TIMEOUT_MS = 5_000;

/** Which members are configured for the same copies, and who of them does which: the one closest to the repository, by everybody's reckoning. */
export class ReplicationMembers implements Carriers {
  readonly #network: PeerNetwork;
  readonly #peers: Pick<PeerNames, 'called'>;
  readonly #distance = new MemberDistance();
  readonly #routes = new Map<string, ReadonlySet<string>>();
  readonly #unsubscribe: () => void;

  /** @param own fingerprints of this node's routes */
  constructor(network: PeerNetwork, peers: Pick<PeerNames, 'called'>, own: readonly string[], accept: (job: HandedOver) => JobAnswer) {
    this.#network = network;
    this.#peers = peers;
    this.#routes.set(network.self, new Set(own));
    const announcement = { type: 'replication' as const, routes: [...new Set(own)] };
    network.handle('replication', ({ routes }, { peerId }) => {
      const isNew = !this.#routes.has(peerId);
      this.#routes.set(peerId, new Set(routes));
      // it may have begun to listen after this node's first word
      if (isNew && own.length > 0) network.send(peerId, announcement);
      return undefined;
    });
    network.handle('replicate', ({ route, repository, tag, digest }) => {
      const { state, error } = accept({
        fingerprint: route,
        repository,
        tag,
        digest: digest === undefined ? undefined : Digest.parse(digest),
      });
      return { type: 'replicate-state', state, ...(error === undefined ? {} : { error: error.slice(0, 500) }) };
    });
    this.#unsubscribe = network.onPeer((event, { peerId }) => {
      if (event === 'joined') {
        if (own.length > 0) network.send(peerId, announcement);
        return;
      }
      this.#routes.delete(peerId);
      this.#distance.forget(peerId);
    });
  }

  carrier(fingerprint: string, repository: string): string | undefined {
    const members = [...this.#routes].filter(([, routes]) => routes.has(fingerprint)).map(([member]) => member);
    const [closest] = this.#distance.rank(Digest.of(Buffer.from(`${fingerprint} ${repository}`)), members);
    return closest === this.#network.self ? undefined : closest;
  }

  called(peerId: string): string {
    return this.#peers.called(peerId);
  }

  async ask(peerId: string, { fingerprint, repository, tag, digest }: HandedOver, signal: AbortSignal): Promise<JobAnswer> {
    const { state, error } = await this.#network.request(
      peerId,
      { type: 'replicate', route: fingerprint, repository, tag, digest: digest?.toString() },
      'replicate-state',
      { signal, timeoutMs: ASK_TIMEOUT_MS },
    );
    return { state, error };
  }

  close(): void {
    this.#unsubscribe();
  }
}
