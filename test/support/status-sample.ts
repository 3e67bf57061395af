import type { Receipt } from '../../src/status/receipt-document.ts';
import type { NodeHealth, StatusDocument } from '../../src/status/status-document.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

const SINCE = '2026-01-01T00:00:00.000Z';

export const healthSample: NodeHealth = {
  level: 'degraded', sentence: 'quay.io at https://quay.io is unreachable: no route to it', since: SINCE, ready: true,
  parts: { origin: { level: 'ok', sentence: 'the origin https://registry.example answers', since: SINCE }, 'mirror quay.io': { level: 'degraded', sentence: 'quay.io at https://quay.io is unreachable: no route to it', since: SINCE } },
};

/** A status document with one of everything. */
export const statusSample: StatusDocument = {
  version: '0.1.0', peerId: '12D3KooWSelf', name: 'node-1', zone: 'rack-1', uptimeSeconds: 61, multiaddrs: ['/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWSelf'],
  health: healthSample,
  membership: { keyIds: ['0123456789abcdef'], slow: [{ peerId: '12D3KooWPeer', name: 'node-2', bytesPerSecond: 100, othersBytesPerSecond: 9000 }], bansByReason: { 'forged piece': 1 }, handshakeFailures: { other_key: 3, broken: 1 }, peerFaults: { invalid_message: 1, no_hello: 2, does_not_read: 0, silent: 0, over_share: 0 }, unknownMessages: 2, strangers: [{ address: '192.0.2.9', failures: 3, lastAt: SINCE }] },
  origin: { url: 'https://registry.example', source: 'configured', name: 'registry.example', state: 'ok', reason: null, bytes: 1000, reachedAt: SINCE },
  charter: {
    swarm: 'prod', key: 'prod:oZ7Ng3tXN6QF2jzq0a2k3U1f4n9b8c7d6e5f4a3b2c1', serial: 7, version: '0.2.0', refused: 'the charter 9 that member 12D3KooWPeer named is refused',
    behind: [{ peerId: '12D3KooWPeer', name: 'node-2', serial: 6 }], otherVersions: [{ peerId: '12D3KooWPeer', name: 'node-2', agent: 'layerswarm/0.1.0' }],
  },
  registries: [
    { name: 'registry.example', kind: 'origin', url: 'https://registry.example', state: 'ok', reason: null, bytes: 1000, reachedAt: SINCE, answers: { 200: 7, timeout: 1 } },
    { name: 'docker.io', kind: 'alias', url: null, state: null, reason: null, bytes: 0, reachedAt: null, answers: {} },
    { name: 'quay.io', kind: 'mirror', url: 'https://quay.io', state: 'unreachable', reason: 'no route to it', bytes: 0, reachedAt: null, answers: { unreachable: 2 } },
  ],
  trust: { excludePatterns: 1, excludedRepositories: 2, sharedWith: 1 },
  store: { blobs: 2, bytes: 3000, maxBytes: 10_000, partial: 1, pinned: 1, removed: 6, state: 'ok', reason: null, freeBytes: 9000, reserveBytes: 500 },
  containerd: { state: 'ok', reason: null, blobs: 4, bytes: 7000 },
  traffic: { fromOriginBytes: 1000, fromPeersBytes: 2000, toPeersBytes: 500, toClientsBytes: 3000, vouchedBytes: 0, rejectedPieces: 4, verifiedPieces: 70 },
  activity: { leases: 3, reads: 2, uploads: { sending: 5, waiting: 1 } },
  peers: [{ peerId: '12D3KooWPeer', name: 'node-2', agent: 'layerswarm/0.1.0', address: '/ip4/127.0.0.1/tcp/4011', zone: 'rack-2', direction: 'outbound', lane: 'tls', latencyMs: 1.25, sentBytes: 500, receivedBytes: 2000, badPieces: 0 }],
  transfers: [{ digest: DIGEST, repository: 'team/app', sizeBytes: 5000, haveBytes: 3000, fromOriginBytes: 1000, fromPeersBytes: 2000, bytesPerSecond: 100, state: 'fetching' }],
  images: [{ reference: 'registry.example/team/app:1', digest: DIGEST, sizeBytes: 5000, complete: false }],
  replication: {
    policies: ['releases'],
    targets: [{ name: 'eu', url: 'https://eu.example', waiting: 1, running: 0, failed: 1, lagSeconds: 90, copies: 3, sentBytes: 4000, lastCopyAt: '2026-01-01T00:00:00.000Z', lastError: 'no route to it', lastErrorAt: '2026-01-01T00:01:00.000Z' }],
    troubled: [{ policy: 'releases', target: 'eu', repository: 'team/app', tag: '1', failed: false, attempts: 2, error: 'no route to it', nextAt: '2026-01-01T00:02:00.000Z' }],
  },
  strayErrors: 0,
  bans: [{ peerId: '12D3KooWBad', name: 'node-9', reason: 'forged piece', until: '2026-01-01T00:00:00.000Z' }],
  limits: [{ name: 'members', used: 1, limit: 256, setting: 'limits.members' }, { name: 'files', used: 90, limit: null, setting: null }],
};

export const receiptSample: Receipt = {
  id: '0a1b2c3d4e5f', client: 'containerd', result: 'done', error: null, verdict: 'node-2 gave nearly all of it, at 1.00 KiB/s', startedAt: SINCE, firstByteSeconds: 0.5, waitedSeconds: 0.25, verifySeconds: 0.125, peerNames: { '12D3KooWPeer': 'node-2' },
  reference: 'registry.example/team/app:1', digest: DIGEST, finishedAt: '2026-01-01T00:00:00.000Z', bytes: 5000, fromStoreBytes: 2000,
  fromOriginBytes: 1000, fromPeersBytes: 2000, peers: { '12D3KooWPeer': 2000 }, seconds: 2, stalls: 1, retries: 2, verified: true, stale: false,
  phases: [{ name: 'resolve', seconds: 0.5 }, { name: 'manifests', seconds: 0.5 }, { name: 'blobs', seconds: 1 }],
  blobs: [{ digest: DIGEST, bytes: 3000, source: 'swarm', fromOriginBytes: 1000, fromPeersBytes: 2000, peers: { '12D3KooWPeer': 2000 }, seconds: 1, waitedSeconds: 0.25, verifySeconds: 0.125, stalls: 1, retries: 2 }],
};
