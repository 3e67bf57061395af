import type { TestFn } from 'ava';
import { testHostilePeers } from './conformance/hostile.ts';
import type { MakePair, WithPair } from './conformance/lane-pair.ts';
import { testLifetime } from './conformance/lifetime.ts';
import { testLimits } from './conformance/limits.ts';
import { testRequests } from './conformance/requests.ts';

/** What every `Lane` must do. */
export function testLane(test: TestFn, name: string, makePair: MakePair): void {
  const withPair: WithPair = (title, body, options) => {
    // One after another: some of them measure what the others would disturb.
    test.serial(`${name}: ${title}`, async (t) => {
      const pair = await makePair(options);
      try {
        await body(t, pair);
      } finally {
        await pair.stop();
      }
    });
  };
  testRequests(withPair);
  testLimits(withPair);
  testLifetime(withPair, makePair);
  testHostilePeers(withPair);
}
