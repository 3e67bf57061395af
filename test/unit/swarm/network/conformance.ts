import { randomBytes } from 'node:crypto';
import type { ExecutionContext, SerialFn, TestFn } from 'ava';
import { LayerswarmError, type ErrorCode } from '../../../../src/errors.ts';
import { Digest } from '../../../../src/oci/digest.ts';
import type { Network, OriginAnnouncement, Peer } from '../../../../src/swarm/network/network.ts';
import { connected, left } from '../../../support/wait-for-peers.ts';
import { waitFor } from '../../../support/wait-for.ts';

/** Makes nodes that find each other; `stop` ends all of them. */
export interface NetworkFactory {
  join(options?: { zone?: string; origin?: OriginAnnouncement }): Promise<Network>;
  stopNode(node: Network): Promise<void>;
  stop(): Promise<void>;
}

/** What every `Network` must do. */
export function testNetwork(test: TestFn | SerialFn, name: string, makeFactory: () => Promise<NetworkFactory>): void {
  const withSwarm = (title: string, body: (t: ExecutionContext, factory: NetworkFactory) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => {
      const factory = await makeFactory();
      try {
        await body(t, factory);
      } finally {
        await factory.stop();
      }
    });
  };

  withSwarm('members see each other with zone and origin', async (t, factory) => {
    const origin: OriginAnnouncement = { url: 'https://registry.example', source: 'configured' };
    const a = await factory.join({ zone: 'rack-1', origin });
    const b = await factory.join({ zone: 'rack-2' });
    await Promise.all([connected(a, b.self), connected(b, a.self)]);
    t.like(b.peer(a.self), { peerId: a.self, zone: 'rack-1', origin });
    t.like(a.peer(b.self), { peerId: b.self, zone: 'rack-2', origin: undefined });
    t.deepEqual(
      a.peers().map((peer) => peer.peerId),
      [b.self],
    );
    t.deepEqual(new Set([a.peer(b.self)!.direction, b.peer(a.self)!.direction]), new Set(['inbound', 'outbound']));
  });

  withSwarm('joined and left are each told once', async (t, factory) => {
    const a = await factory.join();
    const events: string[] = [];
    const unsubscribe = a.onPeer((event, peer) => events.push(`${event} ${peer.peerId}`));
    const b = await factory.join();
    await connected(a, b.self);
    await factory.stopNode(b);
    await left(a, b.self);
    t.deepEqual(events, [`joined ${b.self}`, `left ${b.self}`]);
    t.deepEqual(a.peers(), []);
    unsubscribe();
  });

  withSwarm('a request is answered by its handler, who knows who asks', async (t, factory) => {
    const { a, b } = await pair(factory);
    b.handle('origin-blob-size', (message, from) => ({
      type: 'error',
      code: 'not-found',
      message: `${message.digest} for ${from.peerId}`,
    }));
    b.handle('get-tag', async (message) => {
      await Promise.resolve();
      return { type: 'tag', digest: Digest.of(Buffer.from(message.tag)).toString(), checkedAt: 5 };
    });
    const answer = await a.request(b.self, { type: 'get-tag', origin: 'https://o', repository: 'r', tag: 'latest' }, 'tag');
    t.deepEqual(answer, { type: 'tag', digest: Digest.of(Buffer.from('latest')).toString(), checkedAt: 5 });
    await throwsCode(
      t,
      a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size'),
      'not-found',
      new RegExp(a.self),
    );
  });

  withSwarm('a handler that returns nothing answers ok', async (t, factory) => {
    const { a, b } = await pair(factory);
    b.handle('leave', () => undefined);
    t.deepEqual(await a.request(b.self, { type: 'leave', blob, complete: true }, 'ok'), { type: 'ok' });
  });

  withSwarm('bytes arrive as they were sent', async (t, factory) => {
    const { a, b } = await pair(factory);
    const bytes = randomBytes(3 << 20);
    b.handle('origin-manifest', (message) => ({ type: 'manifest', digest: message.digest, mediaType: 'application/json', bytes }));
    const answer = await a.request(b.self, { type: 'origin-manifest', repository: 'r', digest: blob }, 'manifest');
    t.is(Buffer.compare(answer.bytes, bytes), 0);
  });

  withSwarm('an error crosses with its code where that means something there, and no secret with it', async (t, factory) => {
    const { a, b } = await pair(factory);
    const failures: [string, Error, ErrorCode, RegExp][] = [
      ['gone', new LayerswarmError('not-found', 'no such tag'), 'not-found', /no such tag/],
      ['down', new LayerswarmError('origin-unreachable', 'connection refused'), 'origin-unreachable', /connection refused/],
      ['full', new LayerswarmError('disk-full', 'its own disk'), 'unavailable', /its own disk/],
      ['bug', new Error('password=hunter2'), 'unavailable', /^(?!.*hunter2)/],
    ];
    b.handle('origin-resolve', (message) => {
      throw failures.find(([tag]) => tag === message.tag)![1];
    });
    for (const [tag, , code, message] of failures) {
      await throwsCode(t, a.request(b.self, { type: 'origin-resolve', repository: 'r', tag }, 'tag'), code, message);
    }
  });

  withSwarm('a message without a handler is answered unsupported', async (t, factory) => {
    const { a, b } = await pair(factory);
    await throwsCode(t, a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size'), 'unsupported');
  });

  withSwarm('an answer of another type is misbehaviour', async (t, factory) => {
    const { a, b } = await pair(factory);
    b.handle('origin-blob-size', () => ({ type: 'ok' }));
    await throwsCode(t, a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size'), 'peer-misbehaved');
  });

  withSwarm('a request ends at its deadline and with its signal', async (t, factory) => {
    const { a, b } = await pair(factory);
    b.handle('origin-blob-size', async () => await new Promise<never>(() => undefined));
    await throwsCode(
      t,
      a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size', { timeoutMs: 20 }),
      'timeout',
    );
    const controller = new AbortController();
    const request = a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size', {
      signal: controller.signal,
    });
    controller.abort();
    await throwsCode(t, request, 'aborted');
    await throwsCode(
      t,
      a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size', { signal: controller.signal }),
      'aborted',
    );
  });

  withSwarm('requests to a peer that leaves, or never was, end as peer-gone', async (t, factory) => {
    const { a, b } = await pair(factory);
    const asked = Promise.withResolvers<undefined>();
    b.handle('origin-blob-size', async () => {
      asked.resolve(undefined);
      return await new Promise<never>(() => undefined);
    });
    const request = a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size');
    await asked.promise;
    await Promise.all([throwsCode(t, request, 'peer-gone'), factory.stopNode(b)]);
    await throwsCode(t, a.request(b.self, { type: 'origin-blob-size', repository: 'r', digest: blob }, 'blob-size'), 'peer-gone');
    t.notThrows(() => {
      a.send(b.self, { type: 'leave', blob, complete: true });
    });
  });

  withSwarm('messages of one peer arrive in order', async (t, factory) => {
    const { a, b } = await pair(factory);
    const seen: number[] = [];
    const all = Promise.withResolvers<undefined>();
    b.handle('tag-moved', ({ tag }) => {
      seen.push(Number(tag));
      if (seen.length === 500) all.resolve(undefined);
      return undefined;
    });
    for (let i = 0; i < 500; i++) a.send(b.self, { type: 'tag-moved', origin: 'https://o', repository: 'r', tag: String(i) });
    await all.promise;
    t.deepEqual(
      seen,
      Array.from({ length: 500 }, (_, i) => i),
    );
  });

  withSwarm('a change of origin reaches members, and those who join later', async (t, factory) => {
    const { a, b } = await pair(factory);
    const changed = Promise.withResolvers<Peer>();
    b.handle('origin-changed', (_message, from) => {
      changed.resolve(from);
      return undefined;
    });
    a.announceOrigin({ url: 'https://new.example', source: 'learned' });
    t.deepEqual((await changed.promise).origin, { url: 'https://new.example', source: 'learned' });
    const c = await factory.join();
    await connected(c, a.self);
    t.deepEqual(c.peer(a.self)!.origin, { url: 'https://new.example', source: 'learned' });
  });

  withSwarm('a signature is checked by the peer id alone', async (t, factory) => {
    const { a, b } = await pair(factory);
    const bytes = randomBytes(100);
    const signature = await a.sign(bytes);
    t.is(signature.length, 64);
    await factory.stopNode(a);
    t.true(await b.verify(a.self, bytes, signature));
    t.false(await b.verify(b.self, bytes, signature));
    t.false(await b.verify(a.self, randomBytes(100), signature));
    t.false(await b.verify(a.self, bytes, signature.subarray(1)));
    t.false(await b.verify('no peer id', bytes, signature));
  });

  withSwarm('a peer that broke the rules is disconnected', async (t, factory) => {
    const { a, b } = await pair(factory);
    const left = Promise.withResolvers<string>();
    a.onPeer((event, { peerId }) => {
      if (event === 'left') left.resolve(peerId);
    });
    a.cut(b.self, new LayerswarmError('peer-misbehaved', 'the peer said a word that is not known'));
    t.is(await left.promise, b.self);
  });

  withSwarm('a banned peer is disconnected and listed', async (t, factory) => {
    const { a, b } = await pair(factory);
    const until = Date.now() + 60_000;
    a.ban(b.self, 'forged a list', until);
    await Promise.all([left(a, b.self), left(b, a.self)]);
    t.deepEqual(a.bans(), [{ peerId: b.self, reason: 'forged a list', until }]);
    t.deepEqual(b.bans(), []);
  });

  withSwarm('providers of a whole blob are found until they withdraw', async (t, factory) => {
    const { a, b } = await pair(factory);
    b.provide(blob);
    const signal = AbortSignal.timeout(60_000);
    const found = await waitFor('a provider', async () => {
      const providers = await Array.fromAsync(a.findProviders(blob, signal));
      return providers.length > 0 && providers;
    });
    t.deepEqual(found, [b.self]);
    t.deepEqual(await Array.fromAsync(a.findProviders(Digest.of(Buffer.from('another')).toString(), signal)), []);
  });
}

const blob = Digest.of(Buffer.from('a blob')).toString();

async function pair(factory: NetworkFactory): Promise<{ a: Network; b: Network }> {
  const a = await factory.join();
  const b = await factory.join();
  await Promise.all([connected(a, b.self), connected(b, a.self)]);
  return { a, b };
}

export async function throwsCode(t: ExecutionContext, promise: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> {
  const error = await t.throwsAsync(promise, { instanceOf: LayerswarmError });
  t.is(error?.code, code, error?.message);
  if (message !== undefined) t.regex(error?.message ?? '', message);
}
