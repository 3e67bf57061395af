import test, { type ExecutionContext } from 'ava';
import { askNext } from '../../../../src/agent/swarm-view/ask-next.ts';
import { ImageCatalog } from '../../../../src/agent/swarm-view/image-catalog.ts';
import { shown } from '../../../../src/agent/swarm-view/shown.ts';
import { makeSummary, type Summary, type SummaryFacts } from '../../../../src/agent/swarm-view/summary.ts';
import { SummaryService } from '../../../../src/agent/swarm-view/summary-service.ts';
import { SwarmWatch } from '../../../../src/agent/swarm-view/swarm-watch.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { MemorySwarm, type MemoryNetwork } from '../../../support/memory-network.ts';
import { receiptSample, statusSample } from '../../../support/status-sample.ts';
import { waitFor } from '../../../support/wait-for.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function factsOf(more: Partial<SummaryFacts> = {}): SummaryFacts {
  return {
    status: statusSample,
    transfers: [],
    receipts: [receiptSample],
    today: { originBytes: 10, peersBytes: 90 },
    hour: { minute: 5, origin: [1], peers: [2] },
    jobs: [],
    rates: new Map(),
    ...more,
  };
}

function serve(network: MemoryNetwork, facts: SummaryFacts = factsOf()): SummaryService {
  return new SummaryService({
    network,
    facts: () => facts,
    receipts: () => facts.receipts,
    maySee: { reference: () => true, blob: () => true },
    now: () => performance.now(),
  });
}

function watch(t: ExecutionContext, network: MemoryNetwork, service: SummaryService): SwarmWatch {
  const watching = new SwarmWatch({
    network,
    status: () => ({ ...statusSample, peerId: network.self }),
    own: () => service.own(),
    ownPull: (id) => service.ownPull(id),
  });
  t.teardown(() => {
    watching[Symbol.dispose]();
  });
  return watching;
}

const isAbout = (network: MemoryNetwork): number => network.sent.filter(({ message }) => message.type === 'get-summary').length;

test('members are asked while somebody looks, and nobody is while nobody does', async (t) => {
  const [self, other] = await new MemorySwarm().joinAll(2);
  serve(other!);
  const watching = watch(t, self!, serve(self!));
  t.is(watching.document().nodes[other!.self]!.answer, 'asked');
  t.is(isAbout(self!), 0);
  const stop = watching.look();
  await waitFor('an answer, and its images', () => Object.values(watching.document().images)[0]?.partly === 2);
  stop();
  stop();
  const document = watching.document();
  t.deepEqual(document.about.today, { originBytes: 20, peersBytes: 180 });
  t.is(document.about.self.told, 1);
  t.deepEqual(Object.keys(document.pulls).sort(), [self!.self, other!.self].map((peerId) => `${peerId}/${receiptSample.id}`).sort());
  const asked = isAbout(self!);
  t.true(asked > 0);
  watching.document();
  t.is(isAbout(self!), asked);
});

test('a second question gets only what is new, and what was told before stays', async (t) => {
  const [self, other] = await new MemorySwarm().joinAll(2);
  const asked: unknown[] = [];
  const summary = makeSummary(factsOf(), { reference: () => true, blob: () => true });
  other!.handle('get-summary', ({ imagesKey }) => {
    asked.push(imagesKey);
    const { images: _images, pulls: _pulls, ...rest } = summary;
    return imagesKey === summary.imagesKey ? rest : summary;
  });
  const watching = watch(t, self!, serve(self!));
  const stop = watching.look();
  await waitFor('two answers', () => asked.length >= 2);
  stop();
  t.deepEqual(asked.slice(0, 2), [undefined, summary.imagesKey]);
  t.is(Object.keys(watching.document().pulls).length, 2);
  await waitFor('images', () => Object.values(watching.document().images)[0]!.partly === 2);
});

test('a member that answers nothing, or cannot, is shown as that and holds up nobody', async (t) => {
  const [self, silent, unable, good] = await new MemorySwarm().joinAll(4);
  silent!.handle('get-summary', () => {
    throw new LayerswarmError('unavailable', 'not today');
  });
  unable!.handle('get-summary', () => {
    throw new LayerswarmError('unsupported', 'what is that?');
  });
  serve(good!);
  const watching = watch(t, self!, serve(self!));
  await watching.asked();
  const { nodes } = watching.document();
  t.deepEqual(
    [silent, unable, good].map((network) => nodes[network!.self]!.answer),
    ['silent', 'unable', 'told'],
  );
});

test('what a member told goes with it', async (t) => {
  const swarm = new MemorySwarm();
  const [self, other] = await swarm.joinAll(2);
  serve(other!);
  const watching = watch(t, self!, serve(self!));
  await watching.asked();
  swarm.disconnect(self!, other!);
  await waitFor('it to be gone', () => self!.peers().length === 0);
  const document = watching.document();
  t.deepEqual(Object.keys(document.nodes), [self!.self]);
  t.deepEqual(Object.keys(document.pulls), [`${self!.self}/${receiptSample.id}`]);
});

test('a member can say what it likes of itself: nothing of it is more than text and numbers that can be', async (t) => {
  const [self, liar] = await new MemorySwarm().joinAll(2);
  const huge = Number.MAX_SAFE_INTEGER;
  const text = 'a\u202e<script>alert(1)</script>\u0000\u001b[31m';
  const summary = makeSummary(
    factsOf({
      rates: new Map([
        ['origin', huge],
        ['origin2', huge],
      ]),
      today: { originBytes: huge, peersBytes: huge },
      hour: { minute: huge, origin: Array.from({ length: 60 }, () => huge), peers: [] },
    }),
    { reference: () => true, blob: () => true },
  );
  liar!.handle('get-summary', () => ({
    ...summary,
    sentence: text,
    flows: [
      { from: text, bytesPerSecond: huge },
      { from: liar!.self, bytesPerSecond: huge },
      { from: 'origin', bytesPerSecond: huge },
    ],
    images: [{ reference: text, digest: DIGEST, size: huge, complete: true }],
    pulls: [{ ...summary.pulls[0]!, reference: text, finishedAt: huge }],
  }));
  const watching = watch(t, self!, serve(self!));
  await watching.asked();
  const document = watching.document();
  JSON.stringify(document, (_key, value: unknown) => {
    if (typeof value === 'string') t.is(value, shown(value));
    return value;
  });
  t.deepEqual(
    Object.values(document.flows)
      .filter(({ to }) => to === liar!.self)
      .map(({ from, bytesPerSecond }) => [from.slice(0, 2), bytesPerSecond]),
    [
      ['or', 12.5e9],
      ['a?', 12.5e9],
    ],
  );
  t.true(document.about.today.peersBytes < 2e15);
  t.true(Object.values(document.pulls).every(({ finishedAt }) => finishedAt <= Date.now()));
  t.is(document.about.hour.origin.length, 60);
});

test('a pull of a member is asked for there, and by no other name', async (t) => {
  const [self, other] = await new MemorySwarm().joinAll(2);
  serve(other!);
  const watching = watch(t, self!, serve(self!, factsOf({ receipts: [] })));
  const pull = await watching.pull(other!.self, receiptSample.id);
  t.like(pull, { node: other!.self, id: receiptSample.id, verdict: receiptSample.verdict, seconds: 2, firstByteSeconds: 0.5 });
  await t.throwsAsync(watching.pull(self!.self, receiptSample.id), { code: 'not-found' });
  await t.throwsAsync(watching.pull(other!.self, 'ffffffffffff'), { code: 'not-found' });
  await t.throwsAsync(watching.pull('12D3KooWNobody', receiptSample.id), { code: 'peer-gone' });
});

test('a member that asks without end is answered no more, and others are', async (t) => {
  const [self, greedy, other] = await new MemorySwarm().joinAll(3);
  serve(self!);
  const ask = async (from: MemoryNetwork): Promise<string> =>
    await from.request(self!.self, { type: 'get-summary' }, 'summary').then(
      () => 'told',
      (error: unknown) => (error as LayerswarmError).code,
    );
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(greedy!)));
  t.true(answers.filter((answer) => answer === 'told').length < 30);
  t.is(answers.at(-1), 'unavailable');
  t.is(await ask(other!), 'told');
});

test('whoever was never asked comes first, then who waits for the longest, the busy ones sooner', (t) => {
  const member = (
    name: string,
    askedAt: number | undefined,
    more = {},
  ): { name: string; askedAt: number | undefined; isAsking: boolean; isBusy: boolean } => ({
    name,
    askedAt,
    isAsking: false,
    isBusy: false,
    ...more,
  });
  const members = [
    member('fresh', 9000),
    member('old', 1000),
    member('busy', 6000, { isBusy: true }),
    member('new', undefined),
    member('open', 0, { isAsking: true }),
  ];
  t.deepEqual(
    askNext(members, 9, 10_000).map(({ name }) => name),
    ['new', 'busy', 'old'],
  );
  t.deepEqual(
    askNext(members, 1, 10_000).map(({ name }) => name),
    ['new'],
  );
  // of many who have nothing to do each is asked rarely, and who moves bytes as often as ever
  const many = Array.from({ length: 60 }, (_, index) => member(`idle-${index}`, 0));
  t.deepEqual(
    askNext([...many, member('mover', 0, { isBusy: true })], 99, 11_000).map(({ name }) => name),
    ['mover'],
  );
  t.is(askNext(many, 99, 13_000).length, 60);
});

test('images are counted by who holds them, and one member cannot crowd out what the others have', (t) => {
  const catalog = new ImageCatalog();
  const image = (reference: string, complete = true): NonNullable<Summary['images']>[number] => ({
    reference,
    digest: DIGEST,
    size: 5,
    complete,
  });
  for (let liar = 100; liar < 110; liar++)
    catalog.set(
      liar,
      Array.from({ length: 500 }, (_, index) => image(`made-up/${liar}-${index}:1`)),
    );
  catalog.drop(109);
  catalog.set(1, [{ ...image('team/app:1'), size: 0 }]);
  catalog.set(2, [image('team/app:1', false)]);
  const list = Object.values(catalog.list());
  t.is(list.length, 1000);
  t.like(list[0], { reference: 'team/app:1', sizeBytes: 5, holds: 1, partly: 1, lacks: 9, holdsNodes: [1], partlyNodes: [2] });
  for (let node = 100; node < 110; node++) catalog.drop(node);
  catalog.set(2, []);
  t.is(catalog.countOf(1), 1);
  t.deepEqual(
    Object.values(catalog.list()).map(({ lacksNodes }) => lacksNodes),
    [[2]],
  );
});
