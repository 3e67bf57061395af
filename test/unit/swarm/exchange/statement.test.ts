import { randomBytes } from 'node:crypto';
import test from 'ava';
import * as fc from 'fast-check';
import { Digest } from '../../../../src/oci/digest.ts';
import { encodeNote, makeStatement, parseNote, statementHolds, type Statement } from '../../../../src/swarm/exchange/statement.ts';
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

test('a note carries statements through the wire', async (t) => {
  const swarm = new MemorySwarm();
  const signer = await swarm.join();
  const statements = [await makeStatement(signer, blob, 0, Buffer.from('a')), await makeStatement(signer, blob, 5_000_000_000, Buffer.from('bc'))];
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
