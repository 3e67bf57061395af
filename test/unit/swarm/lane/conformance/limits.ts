import { CollectingTarget, patternBytes, patternDigest, sha256 } from '../../../../support/lane-source.ts';
import { waitFor } from '../../../../support/wait-for.ts';
import { BLOB, hugeFile, MIB, NEVER, throwsCode, type WithPair } from './lane-pair.ts';

const RATE = 8 * MIB;
/** What a bucket holds, and the amount that puts it in debt; a receiver has some chunks at hand before it stops. */
const AT_ONCE = RATE / 10 + 1.25 * MIB;

/** How limits on bandwidth hold. The time is bounded below only, so that a slow machine does no harm. */
export function testLimits(withPair: WithPair): void {
  for (const [what, bandwidth] of Object.entries({
    'a limit on uploads': { upload: RATE, download: 0, host: 0 },
    'a limit on downloads': { upload: 0, download: RATE, host: 0 },
    'a limit of hosts': { upload: 0, download: 0, host: RATE },
  })) {
    withPair(
      `${what} holds for requests both ways together`,
      async (t, { a, b }) => {
        const [there, back] = [await a.laneTo(b), await b.laneTo(a)];
        const start = performance.now();
        const range = { start: 0, end: 2 * MIB };
        const targets = [there, there, back].map((lane) => ({ lane, target: new CollectingTarget(range) }));
        await Promise.all(targets.map(async ({ lane, target }) => await lane.request(BLOB, range, target, NEVER)));
        const seconds = (performance.now() - start) / 1000;
        t.true(seconds >= (4 * MIB - AT_ONCE) / RATE, `4 MiB took ${seconds} s`);
        for (const { target } of targets) t.is(target.digest(), sha256(patternBytes(range)));
      },
      { bandwidth },
    );
  }

  withPair(
    'a lane that waits for its turn still says and hears short frames',
    async (t, { a, b }) => {
      const [there, back] = [await a.laneTo(b), await b.laneTo(a)];
      const long = { start: 0, end: 1024 * MIB };
      const controller = new AbortController();
      const target = new CollectingTarget(long);
      const huge = await hugeFile(t);
      b.source.onRead = (_, range) => huge.answer(range);
      const request = there.request(BLOB, long, target, controller.signal);
      await waitFor('it to have to wait', () => target.received >= MIB / 10, { interval: 1 });
      // At this rate its bytes would take a day.
      b.source.onRead = () => undefined;
      await throwsCode(t, there.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER), 'not-found');
      const other = { start: 5, end: 1005 };
      const answer = new CollectingTarget(other);
      await back.request(BLOB, other, answer, NEVER);
      t.is(answer.digest(), await patternDigest(other));
      controller.abort();
      await throwsCode(t, request, 'aborted');
      await waitFor('the rest to be forgotten', () => huge.released() === 1);
    },
    { bandwidth: { upload: MIB, download: 0, host: 0 } },
  );

  withPair(
    'a lane that is not read because of a limit is no stall',
    async (t, { a, b }) => {
      // Little enough that its sender is done with it at once.
      const range = { start: 0, end: 200 * 1024 };
      const target = new CollectingTarget(range);
      await (await a.laneTo(b)).request(BLOB, range, target, NEVER);
      t.is(target.digest(), await patternDigest(range));
    },
    { stallMs: 300, bandwidth: { upload: 0, download: 128 * 1024, host: 0 } },
  );
}
