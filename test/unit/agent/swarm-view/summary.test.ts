import test from 'ava';
import * as fc from 'fast-check';
import { makePullDetail } from '../../../../src/agent/swarm-view/pull-summary.ts';
import { makeSummary, newsOf, type MaySee, type SummaryFacts } from '../../../../src/agent/swarm-view/summary.ts';
import { Digest } from '../../../../src/oci/digest.ts';
import type { Receipt } from '../../../../src/status/receipt-document.ts';
import { CELL } from '../../../../src/swarm/exchange/core/strip.ts';
import { decodeFrame, encodeFrame } from '../../../../src/swarm/protocol/frame.ts';
import { messageSchema, type Message } from '../../../../src/swarm/protocol/message.ts';
import type { TransferStatus } from '../../../../src/swarm/swarm.ts';
import { receiptSample, statusSample } from '../../../support/status-sample.ts';

const ALL: MaySee = { reference: () => true, blob: () => true };

function transfer(repository: string, sources = 1): TransferStatus {
  return {
    digest: Digest.of(Buffer.from(repository)),
    repository,
    sizeBytes: 1000,
    haveBytes: 500,
    fromOriginBytes: 100,
    bytesPerSecond: 7,
    stalls: 0,
    retries: 0,
    state: 'fetching',
    startedAt: 0,
    fromPeers: new Map(Array.from({ length: sources }, (_, index) => [`peer-${index}`, 10 + index])),
  };
}

const facts: SummaryFacts = {
  status: statusSample,
  transfers: [transfer('team/app'), { ...transfer('team/done'), state: 'done' }],
  receipts: [receiptSample],
  today: { originBytes: 1, peersBytes: 2 },
  hour: { minute: 5, origin: [1], peers: [2] },
  jobs: [],
  rates: new Map([
    ['origin', 10],
    ['peers', 8000],
    ['sent', 30],
    ['peer-0', 8000],
    ['peer-1', 12],
  ]),
};

/** Throws where a member would close the connection over it. */
function checked<M extends Message>(message: M): M {
  const { message: read } = decodeFrame(encodeFrame({ kind: 'answer', id: 1, message }));
  return read as M;
}

test('a summary tells what is there, and fits its message', (t) => {
  const summary = checked(makeSummary(facts, ALL));
  t.like(summary, {
    level: 'degraded',
    rates: { origin: 10, peers: 8000, sent: 30 },
    transferCount: 1,
    flows: [{ from: 'peer-0', bytesPerSecond: 8000 }],
  });
  t.is(summary.transfers.length, 1, 'what is done is no transfer');
  t.deepEqual(summary.transfers[0]!.sources, [
    { source: 'origin', bytes: 100 },
    { source: 'peer-0', bytes: 10 },
  ]);
  t.deepEqual(
    summary.troubles.map(({ part }) => part),
    ['mirror quay.io'],
  );
  t.deepEqual(
    summary.registries.map(({ name, state }) => `${name} ${state}`),
    ['registry.example ok', 'quay.io unreachable'],
  );
  t.deepEqual(
    summary.images.map(({ reference }) => reference),
    ['registry.example/team/app:1'],
  );
  t.is(summary.pulls[0]!.verdict, receiptSample.verdict);
});

test('which part of a blob came from where is told by the sources that are listed', (t) => {
  const strip = Uint8Array.of(CELL.missing, CELL.here, CELL.origin, CELL.firstPeer, CELL.firstPeer + 39, CELL.otherPeer);
  const [told] = checked(makeSummary({ ...facts, transfers: [{ ...transfer('team/app', 40), strip }] }, ALL)).transfers;
  const placeOf = (source: string): number => told!.sources.findIndex((listed) => listed.source === source);
  t.deepEqual(told!.strip, [-1, -2, placeOf('origin'), -3, placeOf('peer-39'), -3], 'the first of forty gave the least, and is not listed');
  t.true(placeOf('peer-39') >= 0);
});

test('what the asker knows is not told again', (t) => {
  const summary = makeSummary(facts, ALL);
  const { images, pulls, ...rest } = summary;
  t.true(images.length > 0 && pulls.length > 0);
  t.deepEqual(newsOf(summary, { imagesKey: summary.imagesKey, pullsKey: summary.pullsKey }), rest);
  t.deepEqual(newsOf(summary, { imagesKey: 'of before' }), summary);
});

test('members are not told of what is excluded from the swarm', (t) => {
  const secret: Receipt = { ...receiptSample, reference: 'registry.example/secret/app:1' };
  const all = {
    ...facts,
    transfers: [transfer('secret/app')],
    receipts: [secret],
    status: { ...statusSample, images: [{ ...statusSample.images[0]!, reference: 'registry.example/secret/app:1' }] },
    jobs: [
      {
        id: 1,
        kind: 'seed' as const,
        title: 'secret/app:1',
        state: 'running' as const,
        step: '',
        doneBytes: 0,
        totalBytes: 0,
        nodesDone: 0,
        nodes: 0,
        startedAt: 0,
        endedAt: undefined,
      },
    ],
  };
  const told = makeSummary(all, {
    reference: (reference) => !reference.includes('secret'),
    blob: ({ repository }) => !repository.startsWith('secret'),
  });
  t.false(JSON.stringify(told).includes('secret'));
  t.is(told.transferCount, 0);
  t.true(JSON.stringify(makeSummary(all, ALL)).includes('secret'), "this node's own page shows it");
});

test('whatever texts and numbers of things a node has, its summary fits the message', (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 900 });
  fc.assert(
    fc.property(text, text, fc.nat(700), (name, sentence, count) => {
      const part = { level: 'bad' as const, sentence, since: 'no time' };
      const summary = makeSummary(
        {
          ...facts,
          status: {
            ...statusSample,
            version: name,
            health: {
              ...statusSample.health,
              sentence,
              parts: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${name}${index}`, part])),
            },
            registries: statusSample.registries.map((registry) => ({ ...registry, name, reason: sentence })),
            images: Array.from({ length: count }, (_, index) => ({ ...statusSample.images[0]!, reference: `${name}:${index}` })),
            bans: Array.from({ length: 40 }, () => ({ peerId: 'p', name, reason: sentence, until: 'never' })),
          },
          transfers: Array.from({ length: 30 }, () => transfer(name, 40)),
          receipts: Array.from({ length: 30 }, () => ({
            ...receiptSample,
            reference: name,
            verdict: sentence,
            client: name,
            seconds: 0.1234567,
          })),
          rates: new Map(Array.from({ length: 60 }, (_, index) => [`peer-${index}`, 9999])),
        },
        ALL,
      );
      t.true(messageSchema.safeParse(checked(summary)).success);
      checked(
        makePullDetail({
          ...receiptSample,
          error: sentence,
          verdict: sentence,
          peerNames: { '12D3KooWPeer': name },
          blobs: Array.from({ length: 100 }, () => receiptSample.blobs[0]!),
        }),
      );
    }),
    { numRuns: 12 },
  );
});

test("where a pull's time went is told within the limits", (t) => {
  const detail = checked(makePullDetail(receiptSample));
  t.deepEqual(detail.sources, [
    { source: '12D3KooWPeer', name: 'node-2', bytes: 2000 },
    { source: 'origin', bytes: 1000 },
  ]);
  t.like(detail, {
    id: receiptSample.id,
    elapsedMs: 2000,
    firstByteMs: 500,
    waitedMs: 250,
    blobCount: 1,
    phases: [{ name: 'resolve', elapsedMs: 500 }],
  });
  // in places of the sources as they are listed
  t.deepEqual(detail.blobs[0]!.strip, [...Array.from({ length: 16 }, () => 1), ...Array.from({ length: 32 }, () => 0)]);
});
