import test from 'ava';
import * as fc from 'fast-check';
import { parseChallenges } from '../../../src/origin/challenge.ts';

// header, [scheme, parameters] of each challenge
const CHALLENGES: readonly [string | string[] | undefined, [string, Record<string, string>][]][] = [
  [undefined, []],
  ['', []],
  ['Basic', [['basic', {}]]],
  ['Basic realm="registry"', [['basic', { realm: 'registry' }]]],
  [
    'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
    [['bearer', { realm: 'https://auth.example/token', service: 'registry.example', scope: 'repository:a/b:pull,push' }]],
  ],
  ['BEARER Realm = "x" , SERVICE = y', [['bearer', { realm: 'x', service: 'y' }]]],
  [
    'Basic realm="a \\"quoted\\" one, with comma", Bearer realm="b"',
    [
      ['basic', { realm: 'a "quoted" one, with comma' }],
      ['bearer', { realm: 'b' }],
    ],
  ],
  [
    'Negotiate, Basic realm=x',
    [
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  [
    'Negotiate YII=, Bearer realm=x',
    [
      ['negotiate', {}],
      ['bearer', { realm: 'x' }],
    ],
  ],
  [
    'Negotiate abc==, Bearer realm=x',
    [
      ['negotiate', {}],
      ['bearer', { realm: 'x' }],
    ],
  ],
  [
    'NTLM TlRM/+-._~, Basic realm=x',
    [
      ['ntlm', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  [', ,Basic realm=x,, ,charset="UTF-8",', [['basic', { realm: 'x', charset: 'UTF-8' }]]],
  [
    ['Basic realm=a', 'Bearer realm=b'],
    [
      ['basic', { realm: 'a' }],
      ['bearer', { realm: 'b' }],
    ],
  ],
  ['Bearer realm="a",realm="b"', [['bearer', { realm: 'a' }]]],
  ['Bearer realm="unterminated', [['bearer', {}]]],
  ['Basic realm="a" garbage@@, Bearer realm="b"', [['basic', { realm: 'a' }]]],
];

for (const [header, expected] of CHALLENGES) {
  test(`challenge ${JSON.stringify(header)}`, (t) => {
    t.deepEqual(
      parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]),
      expected,
    );
  });
}

test('any header is read in bounded time and without an exception', (t) => {
  const pieces = fc
    .array(fc.constantFrom('Bearer', ' ', ',', '=', '"', '\\', 'realm', 'x', '==', '\t', '@'), { maxLength: 60 })
    .map((parts) => parts.join(''));
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.oneof(pieces, fc.string({ maxLength: 500 })), (header) => Array.isArray(parseChallenges(header))),
      { numRuns: 3000 },
    );
  });
  parseChallenges(`Bearer realm="${'\\'.repeat(1_000_000)}`);
  parseChallenges('a='.repeat(1_000_000));
});

test('parameters that were written are read back', (t) => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,9}$/);
  const parameters = fc.uniqueArray(fc.tuple(name, fc.string({ unit: 'grapheme-ascii', maxLength: 30 })), {
    minLength: 1,
    maxLength: 5,
    selector: ([key]) => key,
  });
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('Basic', 'Bearer', 'Digest'), parameters), { maxLength: 4 }), (challenges) => {
        const header = challenges
          .map(([scheme, list]) => `${scheme} ${list.map(([key, value]) => `${key}="${value.replaceAll(/["\\]/g, '\\$&')}"`).join(', ')}`)
          .join(', ');
        const read = parseChallenges(header).map(({ scheme, parameters }) => [scheme, [...parameters]]);
        return JSON.stringify(read) === JSON.stringify(challenges.map(([scheme, list]) => [scheme.toLowerCase(), list]));
      }),
    );
  });
});
