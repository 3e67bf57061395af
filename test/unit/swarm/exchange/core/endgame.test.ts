import test from 'ava';
import type { Download } from '../../../../../src/swarm/exchange/core/download.ts';
import { DOWNLOAD_LIMITS } from '../../../../../src/swarm/exchange/core/limits.ts';
import type { Fetch } from '../../../../../src/swarm/exchange/core/neighbour.ts';
import { bits, download, of } from '../../../../support/downloads.ts';

test('at the end a slow request is made a second time, and cancelled when the other comes first', (t) => {
  const one = download(2);
  one.meet('slow', 'complete', undefined, 0);
  const [slow] = of(one.plan(0), 'fetch');
  one.meet('quick', 'complete', undefined, 0);
  const later = DOWNLOAD_LIMITS.endgameMs + 1;
  const [quick] = of(one.plan(later), 'fetch');
  t.is(quick!.fetch.peer, 'quick');
  one.arrived(0, { fetch: quick!.fetch }, false, later);
  one.arrived(1, {}, false, later);
  t.deepEqual(
    of(one.plan(later), 'cancel').map(({ fetch }) => fetch.peer),
    ['slow'],
  );
  t.is(slow!.fetch.arrived, 0);
});

/** Two who fetch as well and have the first piece: the slow one is asked for it, and has not sent a byte. */
function waitingAtSlow(): { one: Download; slow: Fetch } {
  const one = download(2);
  one.meet('slow', 'fetching', bits(one, 0), 0);
  one.neighbours.get('slow')!.measured(64 << 10, 1000);
  const { fetch } = of(one.plan(0), 'fetch')[0]!;
  one.meet('quick', 'fetching', bits(one, 0), 0);
  one.neighbours.get('quick')!.measured(64 << 10, 10);
  return { one, slow: fetch };
}

test('at the end what waits at a slow source is asked of a fast one instead', (t) => {
  const { one, slow } = waitingAtSlow();
  t.deepEqual(of(one.plan(DOWNLOAD_LIMITS.rerouteMs - 1), 'fetch'), [], 'it may be on its way');
  const commands = one.plan(DOWNLOAD_LIMITS.rerouteMs);
  t.like(of(commands, 'fetch')[0]?.fetch, { peer: 'quick', first: 0, count: 1 });
  t.deepEqual(
    of(commands, 'cancel').map(({ fetch }) => fetch),
    [slow],
  );
  one.fetchEnded(slow, 'cancelled', DOWNLOAD_LIMITS.rerouteMs);
  t.deepEqual(of(one.plan(DOWNLOAD_LIMITS.rerouteMs + 1), 'fetch'), [], 'it is asked for once');
});

test('what may be on its way over a long line is not asked of another', (t) => {
  const { one } = waitingAtSlow();
  one.neighbours.get('slow')!.latencyMs = 200;
  t.deepEqual(of(one.plan(DOWNLOAD_LIMITS.rerouteMs + 199), 'cancel'), []);
  t.is(of(one.plan(DOWNLOAD_LIMITS.rerouteMs + 200), 'cancel').length, 1);
});

test('what a slow source has begun to send is left to it, and so is what nobody faster has', (t) => {
  const begun = waitingAtSlow();
  begun.one.heard({ fetch: begun.slow }, 1);
  t.deepEqual(of(begun.one.plan(DOWNLOAD_LIMITS.rerouteMs), 'cancel'), []);
  const equal = waitingAtSlow();
  equal.one.neighbours.get('slow')!.measured(64 << 10, 1);
  t.deepEqual(of(equal.one.plan(DOWNLOAD_LIMITS.rerouteMs), 'cancel'), []);
});
