import { readdirSync, readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { MAX_SESSIONS } from '../../registry/push/upload-sessions.ts';
import type { LimitName, LimitStatus } from '../../status/status-document.ts';
import { MAX_LISTENERS } from '../../status/listeners.ts';
import { MAX_STATUS_CONNECTIONS } from '../../status/status-server.ts';
import type { Store } from '../../store/store.ts';
import { MAX_BANS } from '../../swarm/network/bans.ts';
import { MAX_BLOBS } from '../../swarm/exchange/lease-tables.ts';
import { MAX_PENDING as MAX_BULK_PENDING } from '../../swarm/lane/bulk/bulk-listener.ts';
import { MAX_SLOTS } from '../../swarm/lane/upload-slots.ts';
import type { ExchangeActivity } from '../../swarm/swarm.ts';
import type { Libp2pNetwork } from '../../swarm/network/libp2p-network.ts';
import { MAX_PENDING } from '../../swarm/network/pending-places.ts';
import type { AgentConfig } from '../config/config.ts';

interface LimitedParts {
  readonly config: Pick<AgentConfig, 'limits'>;
  readonly network: Pick<Libp2pNetwork, 'peers' | 'bans' | 'strangers'>;
  readonly exchange: { activity(): ExchangeActivity };
  readonly store: Pick<Store, 'stats'>;
  readonly registry: { readonly connections: number; readonly uploads: number };
  /** Undefined where there is no such endpoint. */
  readonly status: { readonly all: number; readonly events: number } | undefined;
}

/** What of the bounds that keep one peer, client or image from taking everything is used now. */
export function limitsOf({
  config: { limits },
  network,
  exchange,
  store,
  registry,
  status = { all: 0, events: 0 },
}: LimitedParts): LimitStatus[] {
  const { bytes, maxBytes } = store.stats();
  const { bulkStrangers, coordinated, sending } = exchange.activity();
  const heap = getHeapStatistics();
  const limit = (name: LimitName, used: number, most: number | null, setting: string | null = null): LimitStatus => ({
    name,
    used,
    limit: most,
    setting,
  });
  return [
    limit('members', network.peers().length, limits.members, 'limits.members'),
    limit('strangers', network.strangers, MAX_PENDING),
    limit('bans', network.bans().length, MAX_BANS),
    limit('clients', registry.connections, limits.clients, 'limits.clients'),
    limit('uploads', registry.uploads, MAX_SESSIONS),
    limit('statusConnections', status.all, MAX_STATUS_CONNECTIONS),
    limit('eventListeners', status.events, MAX_LISTENERS),
    limit('storeBytes', bytes, Number.isFinite(maxBytes) ? maxBytes : null, 'store.maxBytes'),
    limit('bulkStrangers', bulkStrangers, limits.bulkThreads * MAX_BULK_PENDING, 'limits.bulkThreads'),
    limit('coordinated', coordinated, limits.bulkThreads * MAX_BLOBS, 'limits.bulkThreads'),
    limit('sending', sending, MAX_SLOTS),
    limit('files', openFiles(), mostFiles),
    limit('heapBytes', heap.used_heap_size, heap.heap_size_limit),
  ];
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    // not one is left to look with
    return mostFiles ?? 0;
  }
}

/** Of this process: what `LimitNOFILE=` or `ulimit -n` says, which stays as it is. */
const mostFiles = readMostFiles();

function readMostFiles(): number | null {
  const soft = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  return Number.isInteger(soft) ? soft : null;
}
