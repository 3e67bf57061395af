import { createHash } from 'node:crypto';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { PieceLayout } from '../../../../src/swarm/exchange/core/piece-layout.ts';
import type { Read } from '../../../../src/swarm/exchange/core/read-plan.ts';
import { PieceSigner, type ReadPiece } from '../../../../src/swarm/exchange/piece-signer.ts';
import { type Statement, statementIsSigned } from '../../../../src/swarm/exchange/statement.ts';
import { MemorySwarm } from '../../../support/memory-network.ts';

const blob = Digest.of(Buffer.from('blob'));
const LAYOUT = new PieceLayout(4 * 65_536);
const read = {} as Read;

function readPiece(piece: number): ReadPiece {
  return { piece, sha256: createHash('sha256').update(String(piece)).digest(), read };
}

test('pieces that are read together are told with one signature, and each statement holds', async (t) => {
  const [node, other] = await new MemorySwarm().joinAll(2);
  const told: [number, Statement][] = [];
  const signer = new PieceSigner(node!, { digest: blob, layout: LAYOUT, over: new AbortController().signal }, ({ piece }, statement) => {
    told.push([piece, statement]);
  });
  const signing = [0, 2, 3].map((piece) => signer.add(readPiece(piece)));
  t.deepEqual([...signer.unsigned], [0, 2, 3]);
  t.is(new Set(signing).size, 1);
  await Promise.all(signing);
  t.deepEqual(
    told.map(([piece]) => piece),
    [0, 2, 3],
  );
  t.is(signer.unsigned.size, 0);
  t.is(new Set(told.map(([, { signature }]) => Buffer.from(signature).toString('hex'))).size, 1);
  for (const [piece, statement] of told) {
    t.deepEqual(statement.sha256, readPiece(piece).sha256);
    t.is(statement.start, LAYOUT.range(piece).start);
    t.true(await statementIsSigned(other!, blob, statement));
  }
});

test('of what is not signed when the download ends nothing is told', async (t) => {
  const [node] = await new MemorySwarm().joinAll(1);
  const ended = new AbortController();
  const signer = new PieceSigner(node!, { digest: blob, layout: LAYOUT, over: ended.signal }, () => t.fail());
  const signing = signer.add(readPiece(1));
  t.deepEqual([...signer.unsigned], [1]);
  ended.abort();
  await signing;
  signer.clear();
  t.is(signer.unsigned.size, 0);
});
