import { randomBytes } from 'node:crypto';
import test from 'ava';
import * as fc from 'fast-check';
import { Digest } from '../../../../src/oci/digest.ts';
import {
  encodeNote,
  makeStatement,
  MAX_SIGNED,
  parseNote,
  signStatements,
  statementHolds,
  statementIsSigned,
  type Statement,
} from '../../../../src/swarm/exchange/statement.ts';
import { MemorySwarm } from '../../../support/memory-network.ts';

const blob = Digest.of(Buffer.from('blob'));

test('a statement holds for its own bytes, blob and signer, and for nothing else', async (t) => {
  const swarm = new MemorySwarm();
  const [signer, other] = await swarm.joinAll(2);
  const bytes = randomBytes(1000);
  const statement = await makeStatement(signer!, blob, 4096, bytes);
  t.true(await statementHolds(other!, blob, statement, bytes));
  const changes: [string, Statement, Digest, Buffer][] = [
    ['other bytes', statement, blob, randomBytes(1000)],
    ['fewer bytes', statement, blob, bytes.subarray(1)],
    ['another blob', statement, Digest.of(bytes), bytes],
    ['another offset', { ...statement, start: 0 }, blob, bytes],
    ['another signer', { ...statement, signer: other!.self }, blob, bytes],
    ['a signer that is none', { ...statement, signer: 'nobody' }, blob, bytes],
    ['another signature', { ...statement, signature: new Uint8Array(64) }, blob, bytes],
  ];
  for (const [name, changed, digest, content] of changes) t.false(await statementHolds(other!, digest, changed, content), name);
});

test('pieces are signed together, and each holds by itself and in its place', async (t) => {
  const swarm = new MemorySwarm();
  const [signer, other] = await swarm.joinAll(2);
  let signatures = 0;
  const counted = Object.create(signer!, {
    sign: {
      value: async (bytes: Uint8Array) => {
        signatures++;
        return await signer!.sign(bytes);
      },
    },
  }) as typeof signer;
  for (const count of [1, 2, 3, 5, 8, MAX_SIGNED]) {
    const pieces = Array.from({ length: count }, (_, i) => randomBytes(100 + i));
    const statements = await signStatements(
      counted!,
      blob,
      pieces.map((bytes, i) => ({ start: i * 1000, length: bytes.length, sha256: Digest.of(bytes).bytes() })),
    );
    for (const [i, statement] of parseNote(encodeNote(statements.slice(-20))).entries())
      t.true(await statementHolds(other!, blob, statement, pieces.slice(-20)[i]!), `piece ${i} of the last of ${count}`);
    const [first, last] = [statements[0]!, statements.at(-1)!];
    if (count === 1) continue;
    t.false(await statementIsSigned(other!, blob, { ...first, place: 1 }));
    t.false(await statementIsSigned(other!, blob, { ...first, sha256: last.sha256, start: last.start, length: last.length }));
    t.false(await statementIsSigned(other!, blob, { ...first, path: first.path.slice(1) }));
    t.true(await statementIsSigned(other!, blob, first));
  }
  t.is(signatures, 6);
});

test('a note carries statements through the wire', async (t) => {
  const swarm = new MemorySwarm();
  const signer = await swarm.join();
  const statements = [
    await makeStatement(signer, blob, 0, Buffer.from('a')),
    await makeStatement(signer, blob, 5_000_000_000, Buffer.from('bc')),
  ];
  t.deepEqual(parseNote(encodeNote(statements)), statements);
  t.deepEqual(parseNote(new Uint8Array()), []);
});

test('any bytes are either a note or refused', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        t.deepEqual(Buffer.from(encodeNote(parseNote(bytes))), Buffer.from(bytes));
      } catch (error) {
        t.is((error as { code?: string }).code, 'peer-misbehaved');
      }
    }),
  );
});
