import test from 'ava';
import { ReadPaces } from '../../../../../src/swarm/exchange/core/read-paces.ts';

test('who is slower than most outlasts what is over sooner', (t) => {
  const paces = new ReadPaces();
  for (const member of ['a', 'b', 'c']) paces.read(member, 4, 400);
  paces.read('slow', 2, 2000);
  t.true(paces.outlasts('slow', 1900));
  t.false(paces.outlasts('slow', 2100));
  t.false(paces.outlasts('a', 50));
});

test('nothing is said of a member that read nothing, nor after it is forgotten', (t) => {
  const paces = new ReadPaces();
  paces.read('a', 1, 100);
  paces.read('slow', 1, 5000);
  t.true(paces.outlasts('slow', 1000));
  t.false(paces.outlasts('new', 1000));
  paces.forget('slow');
  t.false(paces.outlasts('slow', 1000));
});

test('who was slow for once is not for long', (t) => {
  const paces = new ReadPaces();
  paces.read('a', 1, 100);
  paces.read('b', 1, 1000);
  t.true(paces.outlasts('b', 200));
  for (let i = 0; i < 8; i++) paces.read('b', 1, 100);
  t.false(paces.outlasts('b', 200));
});
