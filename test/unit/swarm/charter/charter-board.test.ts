import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LayerswarmError } from '../../../../src/errors.ts';
import { CharterBoard } from '../../../../src/swarm/charter/charter-board.ts';
import { OperatorKey } from '../../../../src/swarm/charter/operator-key.ts';
import { signCharter } from '../../../../src/swarm/charter/signed-charter.ts';
import { type MemoryNetwork, MemorySwarm } from '../../../support/memory-network.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { waitFor } from '../../../support/wait-for.ts';

interface Node {
  readonly network: MemoryNetwork;
  readonly board: CharterBoard;
  readonly taken: number[];
  readonly refused: string[];
}

interface World {
  readonly key: OperatorKey;
  readonly swarm: MemorySwarm;
  readonly add: (kept?: string) => Promise<Node>;
}

async function world(t: ExecutionContext): Promise<World> {
  const key = await OperatorKey.make(join(tempDir(t, 'op'), 'key'), 'prod');
  const swarm = new MemorySwarm();
  return {
    key,
    swarm,
    add: async (kept) => {
      const network = await swarm.join({ connect: false });
      const [taken, refused]: [number[], string[]] = [[], []];
      const board = new CharterBoard({
        network,
        key: key.public,
        kept,
        onCharter: ({ serial, content }) => {
          if (content.includes('bad')) throw new LayerswarmError('config-invalid', 'charter: expected another value');
          taken.push(serial);
        },
        onRefused: (line) => {
          refused.push(line);
        },
      });
      t.teardown(() => {
        board.close();
      });
      return { network, board, taken, refused };
    },
  };
}

test('one node is told, and all have it; one that comes later too', async (t) => {
  const { key, swarm, add } = await world(t);
  const [a, b, c] = [await add(), await add(), await add()];
  swarm.connect(a.network, b.network);
  swarm.connect(b.network, c.network);
  a.board.publish(signCharter(key, 5, 'x: 1\n').text);
  await waitFor('all to follow', () => [b, c].every(({ board }) => board.current?.serial === 5));
  await waitFor('all to know it of each other', () => [a, b, c].every(({ board }) => board.behind().length === 0));
  const late = await add();
  swarm.connect(c.network, late.network);
  await waitFor('the late one to follow', () => late.board.current?.serial === 5);
  t.is(late.board.current?.text, a.board.current?.text);
  t.deepEqual(
    [a, b, c, late].flatMap(({ refused }) => refused),
    [],
  );
});

test('the newest counts, and nothing goes back, also not after a restart', async (t) => {
  const { key, swarm, add } = await world(t);
  const [a, b] = [await add(), await add()];
  const [old, young] = [signCharter(key, 5, 'x: 1\n').text, signCharter(key, 6, 'x: 2\n').text];
  a.board.publish(old);
  b.board.publish(young);
  swarm.connect(a.network, b.network);
  await waitFor('the newer one', () => a.board.current?.serial === 6);
  t.deepEqual(b.taken, [6]);
  t.throws(() => a.board.publish(old), { code: 'denied', message: /newer than 6/ });
  t.throws(() => a.board.publish(signCharter(key, 6, 'x: 3\n').text), { code: 'denied', message: /another charter with serial 6/ });
  t.is(a.board.publish(young).serial, 6, 'the same again is no fault');
  t.deepEqual((await add(young)).taken, [6]);
});

test('a member that lies changes nothing, and honest ones are asked all the same', async (t) => {
  const { key, swarm, add } = await world(t);
  const [liar, honest, victim] = [await add(), await add(), await add()];
  const other = await OperatorKey.make(join(tempDir(t, 'op'), 'other'), 'prod');
  const lies = ['', 'nonsense', signCharter(other, 99, '').text, signCharter(key, 3, '').text, signCharter(key, 99, 'bad: 1\n').text];
  honest.board.publish(signCharter(key, 4, 'x: 1\n').text);
  swarm.connect(honest.network, victim.network);
  await waitFor('the true one', () => victim.board.current?.serial === 4);
  for (const text of lies) {
    liar.network.override('get-charter', () => ({ type: 'charter', text }));
    liar.network.announceCharter({ key: key.public.text, serial: 99 });
    const before = victim.refused.length;
    swarm.connect(liar.network, victim.network);
    await waitFor('a refusal', () => victim.refused.length > before);
    swarm.disconnect(liar.network, victim.network);
    t.is(victim.refused.length, before + 1, 'one line');
    t.false(victim.refused[before]!.includes('\n'));
  }
  t.deepEqual(victim.taken, [4]);
  swarm.connect(liar.network, victim.network);
  honest.board.publish(signCharter(key, 5, 'x: 2\n').text);
  await waitFor('the next one', () => victim.board.current?.serial === 5);
});

test('who follows another operator, or an older charter, is behind', async (t) => {
  const { key, swarm, add } = await world(t);
  const [a, deaf] = [await add(), await add()];
  const plain = await swarm.join({ connect: false });
  deaf.network.override('charter-changed', () => undefined);
  swarm.connect(a.network, deaf.network);
  swarm.connect(a.network, plain);
  a.board.publish(signCharter(key, 5, '').text);
  t.deepEqual(
    a.board
      .behind()
      .map(({ peerId }) => peerId)
      .sort(),
    [deaf.network.self, plain.self].sort(),
  );
  plain.announceCharter({ key: `other:${'A'.repeat(43)}`, serial: 9 });
  await waitFor('its word', () => a.network.peer(plain.self)?.charter?.serial === 9);
  t.is(a.board.behind().length, 2);
  t.deepEqual(a.refused, [], 'what is of another operator is not even asked for');
});

test('what was kept under another key is passed over', async (t) => {
  const { add } = await world(t);
  const other = await OperatorKey.make(join(tempDir(t, 'op'), 'other'), 'prod');
  const { board, refused } = await add(signCharter(other, 5, '').text);
  t.is(board.current, undefined);
  t.regex(refused.join(), /that was kept is not used/);
});
