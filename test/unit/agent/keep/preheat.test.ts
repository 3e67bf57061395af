import test from 'ava';
import { parsePlatforms } from '../../../../src/agent/keep/preheat.ts';

test('platforms are taken as they are named; without any each host takes its own', (t) => {
  t.deepEqual(parsePlatforms(['linux/amd64', 'linux/arm/v7']), [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm', variant: 'v7' },
  ]);
  t.is(parsePlatforms(undefined), undefined);
  t.is(parsePlatforms([]), undefined);
});

test('all stands for every image of an index, also beside others', (t) => {
  t.is(parsePlatforms(['all']), 'all');
  t.is(parsePlatforms(['linux/amd64', 'all']), 'all');
});

test('what is no platform is refused', (t) => {
  t.throws(() => parsePlatforms(['linux/amd64', 'a/b/c/d']), { code: 'usage' });
});
