import { LayerswarmError } from '../../errors.ts';
import { isLoopback, parseTcpAddress } from './address.ts';
import type { NameResolver } from './discovery/dns-names.ts';
import type { MemberLimits } from './members.ts';
import type { SwarmKey } from './swarm-key.ts';

export interface NetworkOptions {
  /** The node's folder; `network/` in it belongs to this part: peer key, known members, bans. */
  dataDir: string;
  /** Multiaddrs; port 0 takes a free one. */
  listen: readonly string[];
  /** Multiaddrs to be told instead of those that are listened on. */
  announce?: readonly string[];
  /** Multiaddrs, `HOST:PORT`, `dns:HOST[:PORT]`. */
  bootstrap?: readonly string[];
  /** Each is accepted, the first is offered first. */
  swarmKeys?: readonly SwarmKey[];
  /** Lets anybody in who finds the node; without it, a node that has no key stays on this host. */
  open?: boolean;
  mdns?: boolean;
  zone?: string;
  /** How many this node has; each blob is in one. */
  bulkThreads?: number;
  /** What people call this node. */
  name?: string;
  /** Program and version, for people. */
  agent?: string;
  /** A line for the log. */
  onWarning?: (line: string) => void;
  maxNeighbours?: number;
  /** How long one who comes may stay beyond that. */
  neighbourGraceMs?: number;
  /** Members from which on the DHT is given records. */
  provideFrom?: number;
  /** Between two records that are given to the DHT. */
  provideIntervalMs?: number;
  resolver?: NameResolver;
  limits?: Partial<MemberLimits>;
}

/** Whether this node may speak with its own host alone: it has no key, and was not told to do without. */
export function staysOnThisHost(options: NetworkOptions): boolean {
  return (options.swarmKeys ?? []).length === 0 && options.open !== true;
}

/** @throws `config-invalid` when strangers could reach a node that has no key */
export function checkReachable(options: NetworkOptions): void {
  const exposed = options.listen.find((address) => !isLoopback(parseTcpAddress(address)?.host ?? ''));
  if (staysOnThisHost(options) && exposed !== undefined) {
    throw new LayerswarmError(
      'config-invalid',
      `listen: ${exposed} can be reached from the network, and no swarm key is given: give one (--swarm-key), listen on 127.0.0.1, or let anybody in (--open)`,
    );
  }
}
