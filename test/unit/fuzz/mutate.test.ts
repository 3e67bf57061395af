import test from 'ava';
import { mulberry } from '../../sim/random.ts';
import { answersTo, dictionaryOf, mutate } from '../../fuzz/mutate.ts';

test('the same seed makes the same inputs, none longer than it may be', (t) => {
  const make = (): Buffer[] => {
    const random = mulberry(7);
    return Array.from({ length: 500 }, () =>
      mutate(Buffer.from('some input'), Buffer.from('another one'), [Buffer.from('token')], 64, random),
    );
  };
  const inputs = make();
  t.deepEqual(make(), inputs);
  t.true(inputs.every(({ length }) => length <= 64));
  t.true(new Set(inputs.map(String)).size > 400);
});

test('what was compared with a number or a text is put where the other one stands', (t) => {
  const answers = (pairs: Parameters<typeof answersTo>[0], input: Buffer): string[] =>
    [...answersTo(pairs, input, mulberry(1))].map((answer) => answer.toString('hex'));
  t.true(answers([[0x1234, 0xabcd]], Buffer.from('ff3412ff', 'hex')).includes('ffcdabff'), 'little endian');
  t.true(answers([[0xabcd, 0x1234]], Buffer.from('ff1234ff', 'hex')).includes('ffabcdff'), 'big endian, whichever side it is on');
  t.true(answers([['abc', 'magic']], Buffer.from('xabcx')).includes(Buffer.from('xmagicx').toString('hex')));
  t.deepEqual(
    answers(
      [
        [{}, 1],
        [1.5, 2],
        [undefined, 'a'],
      ],
      Buffer.from('input'),
    ),
    [],
  );
});

test('the dictionary has the texts and numbers of a program, in both byte orders', (t) => {
  const tokens = new Set(
    dictionaryOf({ texts: new Set(['EFI PART', '1f8b']), numbers: new Set([0xaa55, -1]) }).map((token) => token.toString('hex')),
  );
  for (const token of [Buffer.from('EFI PART').toString('hex'), '1f8b', 'aa55', '55aa']) t.true(tokens.has(token), token);
});
