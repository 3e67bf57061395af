import test from 'ava';
import { type CallFrame, type CpuProfile, sumProfile } from '../../bench/profile/cpu-profile.ts';
import { functionOf, IDLE, subsystemOf } from '../../bench/profile/subsystem.ts';
import { profileTable } from '../../bench/profile/table.ts';

function frame(functionName: string, url = ''): CallFrame {
  return { functionName, url };
}

const profile: CpuProfile = {
  startTime: 1000,
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3] },
    { id: 2, callFrame: frame('outer', 'file:///x/src/a.ts'), children: [4] },
    { id: 3, callFrame: frame('(idle)') },
    { id: 4, callFrame: frame('inner') },
  ],
  // From 1010 inner, from 1030 idle, from 1060 outer, until 1100 the last.
  samples: [4, 3, 2, 3],
  timeDeltas: [10, 20, 30, 40],
};

test('a sample stands for the time until the next, within the two moments', (t) => {
  const name = (stack: readonly CallFrame[]): string => stack.map(({ functionName }) => functionName).join('<');
  t.deepEqual(
    sumProfile(profile, 0, Number.POSITIVE_INFINITY, name),
    new Map([
      ['inner<outer<(root)', 20],
      ['(idle)<(root)', 30],
      ['outer<(root)', 40],
    ]),
  );
  t.deepEqual(
    sumProfile(profile, 1020, 1070, name),
    new Map([
      ['inner<outer<(root)', 10],
      ['(idle)<(root)', 30],
      ['outer<(root)', 10],
    ]),
  );
});

test('a stack belongs to what its innermost telling function is for', (t) => {
  const ours = frame('send', 'file:///srv/src/layerswarm/src/swarm/lane/lane.ts');
  const cases: readonly (readonly [CallFrame[], string])[] = [
    [[frame('(garbage collector)'), ours], 'garbage collection on this thread'],
    [[frame('(idle)')], IDLE],
    [[ours], 'src/swarm/lane'],
    [[frame('push'), ours], 'src/swarm/lane'],
    [[frame('toString'), ours], 'src/swarm/lane'],
    [[frame('write', 'file:///srv/src/swarm/lane/bulk/file.ts')], 'src/swarm/lane/bulk'],
    [[frame('open', 'file:///srv/src/store/partial/deep.ts')], 'src/store'],
    [[frame('writev'), frame('writevGeneric', 'node:internal/stream_base_commons'), ours], 'sockets and streams of Node, in C++'],
    [[frame('writevGeneric', 'node:internal/stream_base_commons'), ours], 'sockets and streams of Node'],
    [[frame('inspect', 'node:internal/util/inspect'), ours], 'src/swarm/lane'],
    [[frame('update'), frame('update', 'node:internal/crypto/hash'), ours], 'hash, in C++'],
    [[frame('onread', 'node:_tls_wrap')], 'TLS'],
    [[frame('postMessage'), ours], 'messages between threads'],
    [[frame('encode', 'file:///srv/node_modules/x/node_modules/@chainsafe/libp2p-noise/dist/src/noise.js')], 'libp2p: Noise, yamux, DHT'],
    [[frame('parse', 'file:///srv/node_modules/zod/v4/core/parse.js')], 'CBOR, zod'],
    [[frame('parse', 'file:///srv/node_modules/yaml/dist/x.js')], 'other packages'],
    [[frame('(root)')], 'other'],
  ];
  for (const [stack, expected] of cases) t.is(subsystemOf(stack), expected);
});

test('a function is named with its file, one in C++ with its caller', (t) => {
  t.is(functionOf([frame('writev'), frame('', 'file:///srv/src/swarm/lane/lane.ts')]), 'writev from anonymous swarm/lane/lane.ts');
  t.is(functionOf([frame('parse', 'file:///srv/node_modules/zod/v4/parse.js'), frame('x')]), 'parse zod/v4/parse.js');
  t.is(functionOf([frame('decode', 'file:///srv/node_modules/libp2p/src/x.js')]), 'decode libp2p/src/x.js');
  t.is(functionOf([frame('toString'), frame('log', 'file:///srv/src/log.ts')]), 'toString from log log.ts');
  t.is(functionOf([frame('(idle)')]), IDLE);
});

test('what a thread used is shared out as its samples are, and adds up', (t) => {
  const table = profileTable(
    [
      {
        kind: 'main',
        sums: new Map([
          [IDLE, 900],
          ['a', 30],
          ['b', 10],
        ]),
      },
      {
        kind: 'main',
        sums: new Map([
          ['a', 30],
          ['b', 30],
        ]),
      },
      { kind: 'bulk', sums: new Map([['b', 7]]) },
    ],
    { cpuSeconds: { main: 10, bulk: 4, v8: 6, pool: 0, other: 0 } },
    2,
  );
  t.is(
    table,
    [
      '| CPU-s/GiB a node | main thread | bulk threads | all threads | share |',
      '|---|---|---|---|---|',
      '| b | 2.00 | 2.00 | 4.00 | 40.0 % |',
      '| a | 3.00 | 0.00 | 3.00 | 30.0 % |',
      "| V8's helpers: compilers, garbage collection | 0.00 | 0.00 | 3.00 | 30.0 % |",
      '| all | 5.00 | 2.00 | 10.00 | 100.0 % |',
    ].join('\n'),
  );
});
