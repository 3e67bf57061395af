import test from 'ava';
import { ReadPaces } from '../../../../../src/swarm/exchange/core/read-paces.ts';

test('who is slower than most outlasts what is over sooner', (t) => {
  const paces = new ReadPaces();
  for (const member of ['a', 'b', 'c']) paces.read(member, 4, 400, 0);
  paces.read('slow', 2, 2000, 0);
  t.true(paces.outlasts('slow', 1900, 0));
  t.false(paces.outlasts('slow', 2100, 0));
  t.false(paces.outlasts('a', 50, 0));
});

test('who has read nothing while a slow member reads a piece is no faster', (t) => {
  const paces = new ReadPaces();
  paces.read('stopped', 1, 100, 0);
  paces.read('slow', 1, 1000, 0);
  t.true(paces.outlasts('slow', 500, 1000));
  t.false(paces.outlasts('slow', 500, 1001));
});

test('nothing is said of a member that read nothing, nor after it is forgotten', (t) => {
  const paces = new ReadPaces();
  paces.read('a', 1, 100, 0);
  paces.read('slow', 1, 5000, 0);
  t.true(paces.outlasts('slow', 1000, 0));
  t.false(paces.outlasts('new', 1000, 0));
  paces.forget('slow');
  t.false(paces.outlasts('slow', 1000, 0));
});

test('who was slow for once is not for long', (t) => {
  const paces = new ReadPaces();
  paces.read('a', 1, 100, 0);
  paces.read('b', 1, 1000, 0);
  t.true(paces.outlasts('b', 200, 0));
  for (let i = 0; i < 8; i++) paces.read('b', 1, 100, 0);
  t.false(paces.outlasts('b', 200, 0));
});
