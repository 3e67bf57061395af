import { LayerswarmError } from '../../src/errors.ts';
import type { SwarmDocument, SwarmNode, SwarmPull, SwarmPullDetail, SwarmTransfer } from '../../src/status/swarm-document.ts';
import type { SwarmSource } from '../../src/status/swarm-source.ts';

export interface SwarmSize {
  readonly nodes: number;
  readonly images: number;
  /** Nodes that receive something from the origin and others. */
  readonly moving?: number;
  /** What the sample counts its times from; now when absent. */
  readonly now?: number;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const REPOSITORIES = [
  'team/app',
  'team/frontend',
  'platform/ingress-controller',
  'data/warehouse-loader',
  'ml/training-cuda12',
  'base/debian',
  'team/a-service-with-quite-a-long-name-that-somebody-chose-on-a-friday',
];

export function peerIdOf(index: number): string {
  return `12D3KooWNode${index}`;
}

/** A swarm of any size with one of everything in it, the same each time. */
export function makeSwarm({ nodes: count, images, moving = 0, now = Date.now() }: SwarmSize): SwarmDocument {
  const nodes = Array.from({ length: count }, (_, index) => makeNode(index + 1, count, index < moving, now));
  const receivers = nodes.slice(0, moving);
  const flows = receivers.flatMap(({ peerId }, index) =>
    [
      { from: 'origin', to: peerId, bytesPerSecond: (3 + (index % 4)) * MIB },
      ...[1, 2, 3].map((step) => ({
        from: peerIdOf(((index + step) % count) + 1),
        to: peerId,
        bytesPerSecond: (14 - 3 * step + (index % 3)) * MIB,
      })),
    ].filter(({ from, to }) => from !== to),
  );
  const transfers = receivers.flatMap((node, index) => [0, 1].map((blob) => makeTransfer(node, blob, index, count)));
  const pulls =
    count === 0 ? [] : Array.from({ length: Math.min(50, 4 * count) }, (_, index) => makePull(index + 1, nodes[index % count]!, now));
  return {
    about: {
      self: {
        peerId: peerIdOf(1),
        name: 'node-1',
        zone: 'rack-1',
        version: '0.1.0',
        startedAt: now - 3 * 86_400_000,
        ready: true,
        level: 'ok',
        keyIds: ['0123456789abcdef'],
        members: count - 1,
        told: count - 1,
        sentence: `the origin https://registry.example answers; ${count - 1} members are connected`,
      },
      today: { originBytes: 25 * GIB, peersBytes: 1230 * GIB },
      hour: { minute: Math.floor(now / 60_000), origin: minutes(40 * MIB, 7), peers: minutes(2 * GIB, 11) },
    },
    nodes: keyed(nodes, ({ peerId }) => peerId),
    flows: keyed(flows, ({ from, to }) => `${from}>${to}`),
    transfers: keyed(transfers, ({ node, digest }) => `${node}/${digest}`),
    pulls: keyed(pulls, ({ node, id }) => `${node}/${id}`),
    images: keyed(
      Array.from({ length: images }, (_, index) => makeImage(index, count)),
      ({ reference, digest }) => `${reference}@${digest}`,
    ),
    registries: keyed(
      [
        {
          name: 'registry.example',
          kind: 'origin' as const,
          url: 'https://registry.example',
          state: 'ok',
          reason: null,
          bytes: 25 * GIB,
          nodes: count,
          failing: 0,
        },
        { name: 'docker.io', kind: 'alias' as const, url: null, state: null, reason: null, bytes: 0, nodes: 0, failing: 0 },
        {
          name: 'quay.io',
          kind: 'mirror' as const,
          url: 'https://quay.io',
          state: 'unreachable',
          reason: 'no route to it',
          bytes: 3 * GIB,
          nodes: count,
          failing: Math.min(2, count),
        },
      ],
      ({ name }) => name,
    ),
    troubles:
      count < 3
        ? {}
        : keyed(
            [
              {
                node: peerIdOf(3),
                kind: 'health' as const,
                level: 'bad' as const,
                subject: 'store',
                name: '',
                sentence:
                  'the disk of /var/lib/layerswarm has 120 MiB free, below the reserve of 256 MiB: nothing new is kept, and images pass through from their registry; make room on it',
                since: now - 22 * 60_000,
              },
              {
                node: peerIdOf(2),
                kind: 'ban' as const,
                level: 'degraded' as const,
                subject: '12D3KooWStranger',
                name: 'build-runner-17',
                sentence: 'sent pieces that its own signature contradicts',
                since: now + 40 * 60_000,
              },
            ],
            ({ node, kind, subject }) => `${node}/${kind}/${subject}`,
          ),
    jobs:
      moving === 0
        ? {}
        : {
            [`${peerIdOf(2)}/1`]: {
              node: peerIdOf(2),
              kind: 'preheat',
              title: 'registry.example/ml/training-cuda12:v7',
              state: 'running',
              step: `${Math.floor(count / 3)} of ${count} nodes have it`,
              doneBytes: 61 * GIB,
              totalBytes: 97 * GIB,
              nodesDone: Math.floor(count / 3),
              nodes: count,
              startedAt: now - 95_000,
              endedAt: null,
            },
          },
  };
}

/** A swarm for the status endpoint that changes when the test says so. */
export class SwarmSample implements SwarmSource {
  #document: SwarmDocument;
  looking = 0;

  constructor(document: SwarmDocument) {
    this.#document = document;
  }

  change(to: (before: SwarmDocument) => SwarmDocument): void {
    this.#document = to(this.#document);
  }

  look(): () => void {
    this.looking += 1;
    return () => {
      this.looking -= 1;
    };
  }

  document(): SwarmDocument {
    return this.#document;
  }

  asked(): Promise<void> {
    return Promise.resolve();
  }

  pull(peerId: string, id: string): Promise<SwarmPullDetail> {
    const pull = this.#document.pulls[`${peerId}/${id}`];
    if (pull === undefined) return Promise.reject(new LayerswarmError('not-found', 'that node keeps the receipt of this pull no more'));
    const { seconds, bytes, fromOriginBytes, fromPeersBytes, fromStoreBytes } = pull;
    return Promise.resolve({
      ...pull,
      digest: digestOf(1),
      error: pull.result === 'failed' ? 'the origin refused it: not found' : null,
      startedAt: pull.finishedAt - seconds * 1000,
      firstByteSeconds: 0.21,
      waitedSeconds: 0.34,
      verifySeconds: 0.05,
      stalls: 1,
      retries: 2,
      verified: true,
      stale: false,
      sources: [
        { source: 'origin', name: '', bytes: fromOriginBytes },
        { source: peerIdOf(2), name: 'node-2', bytes: Math.floor(fromPeersBytes * 0.6) },
        { source: peerIdOf(3), name: 'node-3', bytes: Math.floor(fromPeersBytes * 0.4) },
      ],
      phases: [
        { name: 'resolve', seconds: seconds * 0.03 },
        { name: 'manifests', seconds: seconds * 0.05 },
        { name: 'blobs', seconds: seconds * 0.92 },
      ],
      blobs: [0, 1, 2].map((blob) => ({
        digest: digestOf(blob),
        bytes: Math.floor(bytes / 4),
        wasHere: blob === 2 && fromStoreBytes > 0,
        seconds: seconds * 0.9 - blob,
        waitedSeconds: 0.2,
        fromOriginBytes: Math.floor(fromOriginBytes / 3),
        fromPeersBytes: Math.floor(fromPeersBytes / 3),
        stalls: 0,
        retries: blob,
        strip: blob === 2 ? [] : Array.from({ length: 48 }, (_, cell) => ((cell * (blob + 2)) % 7) % 3),
      })),
      blobCount: 7,
    });
  }
}

function makeNode(number: number, count: number, isMoving: boolean, now: number): SwarmNode {
  const bad = number === 3;
  return {
    number,
    peerId: peerIdOf(number),
    name: `node-${number}`,
    zone: `rack-${Math.ceil((number / count) * Math.min(12, Math.ceil(count / 4)))}`,
    isSelf: number === 1,
    answer: number === 8 ? 'silent' : 'told',
    version: '0.1.0',
    level: bad ? 'bad' : 'ok',
    sentence: bad ? 'the disk is below its reserve' : 'the origin answers',
    startedAt: now - (number * 37 + 5) * 600_000,
    latencyMs: number === 1 ? null : 0.4 + (number % 9) / 10,
    storeBytes: (80 + ((number * 13) % 60)) * GIB,
    storeMaxBytes: 200 * GIB,
    blobs: 900 + number,
    images: 40 + (number % 7),
    transfers: isMoving ? 2 : 0,
    fromOrigin: isMoving ? 4 * MIB : 0,
    fromPeers: isMoving ? 22 * MIB : 0,
    toPeers: isMoving ? (18 + (number % 5)) * MIB : 0,
  };
}

function makeTransfer({ peerId }: SwarmNode, blob: number, index: number, count: number): SwarmTransfer {
  const sizeBytes = (blob + 1) * 420 * MIB;
  const haveBytes = Math.floor(sizeBytes * (0.25 + ((index * 17 + blob * 29) % 70) / 100));
  const parts = [0.18, 0.34, 0.27, 0.21];
  return {
    node: peerId,
    digest: digestOf(blob),
    repository: 'ml/training-cuda12',
    state: 'fetching',
    sizeBytes,
    haveBytes,
    bytesPerSecond: (19 + index) * MIB,
    sources: parts.map((part, step) => ({
      source: step === 0 ? 'origin' : peerIdOf(((index + step) % count) + 1),
      bytes: Math.floor(haveBytes * part),
    })),
    // in runs, as extents and requests of several pieces come
    strip: Array.from({ length: 48 }, (_, cell) =>
      (cell * 31 + index * 7) % 48 < (48 * haveBytes) / sizeBytes ? [1, 0, 2, 3, 1, 2][(Math.floor(cell / 2) + index) % 6]! : -1,
    ),
  };
}

function makePull(number: number, { peerId }: SwarmNode, now: number): SwarmPull {
  const bytes = (90 + ((number * 71) % 900)) * MIB;
  const result = number === 4 ? 'failed' : 'done';
  return {
    node: peerId,
    id: `0a1b2c3d4e${String(number).padStart(2, '0')}`,
    client: ['containerd', 'cli', 'podman'][number % 3]!,
    result,
    reference: referenceOf(number),
    verdict: result === 'failed' ? 'the origin refused it: not found' : 'node-2 gave nearly all of it, at 38.2 MiB/s',
    finishedAt: now - number * number * 4000,
    seconds: 1.4 + ((number * 7) % 40) / 3,
    bytes,
    fromStoreBytes: Math.floor(bytes * 0.2),
    fromOriginBytes: Math.floor(bytes * 0.03),
    fromPeersBytes: Math.floor(bytes * 0.77),
  };
}

function makeImage(index: number, count: number): SwarmDocument['images'][string] {
  const lacks = index % 3 === 0 ? 0 : (index * 5) % Math.max(1, count);
  const partly = index % 4 === 1 && count - lacks > 1 ? 1 : 0;
  const numbers = Array.from({ length: count }, (_, node) => node + 1);
  const [lacking, rest] = [numbers.slice(count - lacks), numbers.slice(0, count - lacks)];
  return {
    reference: referenceOf(index),
    digest: digestOf(index),
    sizeBytes: (60 + ((index * 97) % 2400)) * MIB,
    holds: rest.length - partly,
    partly,
    lacks,
    holdsNodes: rest.slice(partly).slice(0, 24),
    partlyNodes: rest.slice(0, partly),
    lacksNodes: lacking.slice(0, 24),
  };
}

function referenceOf(index: number): string {
  return `registry.example/${REPOSITORIES[index % REPOSITORIES.length]!}:v1.${index}`;
}

function digestOf(index: number): string {
  return `sha256:${((index + 1) * 0x9e3779b1).toString(16).padStart(12, '0').slice(0, 12).repeat(6).slice(0, 64)}`;
}

function minutes(most: number, step: number): number[] {
  return Array.from({ length: 60 }, (_, index) =>
    Math.floor(most * Math.max(0, Math.sin((index * step) / 29)) * (index % step === 0 ? 0.2 : 1)),
  );
}

function keyed<T>(list: readonly T[], keyOf: (item: T) => string): Record<string, T> {
  return Object.fromEntries(list.map((item) => [keyOf(item), item]));
}
