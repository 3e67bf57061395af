import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { Bitfield } from '../../../../src/swarm/exchange/core/bitfield.ts';
import { PieceLayout } from '../../../../src/swarm/exchange/core/piece-layout.ts';
import { PieceNews } from '../../../../src/swarm/exchange/piece-news.ts';
import type { BlobNetwork } from '../../../../src/swarm/network/network.ts';
import type { Message } from '../../../../src/swarm/protocol/message.ts';
import { decodeWord, encodeWord } from '../../../../src/swarm/protocol/word.ts';

const digest = Digest.of(Buffer.from('blob'));

function news(layout: PieceLayout): { news: PieceNews; heard: number[] } {
  const heard: number[] = [];
  const network = {
    send: (_peer: string, message: Message) => {
      const word = decodeWord(encodeWord(message as Parameters<typeof encodeWord>[0]));
      if (word.type === 'have')
        for (const [first, count] of word.runs) for (let piece = first; piece < first + count; piece++) heard.push(piece);
    },
  };
  return { news: new PieceNews(network as unknown as BlobNetwork, { digest, layout }), heard };
}

test('however scattered the pieces are, what is told of them can be read', (t) => {
  const layout = new PieceLayout(16_384 * 1024, 1024);
  const servable = new Bitfield(layout.pieceCount);
  for (let piece = 0; piece < layout.pieceCount; piece += 2) servable.set(piece);
  const { news: scattered, heard } = news(layout);
  scattered.tellSince('peer', { blob: digest.toString(), state: 'none' }, servable);
  t.is(heard.length, layout.pieceCount / 2);
  t.true(heard.every((piece) => servable.has(piece)));
});

test('who was told of some hears of the others', (t) => {
  const layout = new PieceLayout(10 * 65_536);
  const servable = new Bitfield(10);
  servable.setRun(2, 5);
  const bits = new Bitfield(10);
  bits.setRun(2, 3);
  const { news: some, heard } = news(layout);
  const { pieceLength, size } = layout;
  some.tellSince('peer', { blob: digest.toString(), state: 'partial', size, pieceLength, bits: Uint8Array.from(bits.toBytes()) }, servable);
  t.deepEqual(heard, [5, 6]);
});

test('a map of pieces that does not fit the blob is none', (t) => {
  const layout = new PieceLayout(10 * 65_536);
  const { pieceLength, size } = layout;
  const { news: any } = news(layout);
  const holding = { blob: digest.toString(), state: 'partial', size, pieceLength } as const;
  t.is(any.bitsOf({ ...holding, bits: new Uint8Array(2) })?.count, 0);
  t.is(any.bitsOf({ ...holding, bits: new Uint8Array(7) }), undefined);
  t.is(any.bitsOf({ ...holding, bits: new Uint8Array(2), size: size + 1 }), undefined);
});
