import test from 'ava';
import { assert, nat, property, string } from 'fast-check';
import { errorCode } from '../../../src/errors.ts';
import { OciError } from '../../../src/registry/http-error.ts';
import { parseRange } from '../../../src/registry/http/range.ts';

const SIZE = 1000;

const ROWS: readonly (readonly [header: string | undefined, expected: readonly [number, number] | undefined | 416 | 400])[] = [
  [undefined, undefined],
  ['bytes=0-0', [0, 1]],
  ['bytes=0-99', [0, 100]],
  ['BYTES=5-9', [5, 10]],
  ['bytes=990-', [990, 1000]],
  ['bytes=990-5000', [990, 1000]],
  ['bytes=-10', [990, 1000]],
  ['bytes=-5000', [0, 1000]],
  ['bytes=-0', 416],
  ['bytes=1000-', 416],
  ['bytes=1000-1001', 416],
  ['bytes=9007199254740993-', 416],
  // RFC 9110 §14.2: an invalid Range is ignored
  ['bytes=9-5', undefined],
  ['bytes=-', undefined],
  ['bytes=a-b', undefined],
  ['bytes=', undefined],
  ['items=0-1', undefined],
  ['bytes 0-1', undefined],
  ['bytes=0-1,5-6', 400],
  ['bytes=0-1, -1', 400],
];

for (const [header, expected] of ROWS) {
  test(`Range ${header ?? '(none)'} of ${SIZE} bytes is ${JSON.stringify(expected) ?? 'the whole'}`, (t) => {
    if (expected === 416) {
      t.is(errorCode(t.throws(() => parseRange(header, SIZE))), 'range-invalid');
    } else if (expected === 400) {
      t.is(t.throws(() => parseRange(header, SIZE), { instanceOf: OciError })?.status, 400);
    } else {
      const range = parseRange(header, SIZE);
      t.deepEqual(range === undefined ? undefined : [range.start, range.end], expected === undefined ? undefined : [...expected]);
    }
  });
}

test('no range of an empty blob can be satisfied', (t) => {
  for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-1']) t.is(errorCode(t.throws(() => parseRange(header, 0))), 'range-invalid');
});

test('a range lies within the blob, whatever the header says', (t) => {
  assert(
    property(string({ maxLength: 40 }), nat(), (text, size) => {
      try {
        const range = parseRange(`bytes=${text}`, size);
        return range === undefined || (range.start >= 0 && range.start < range.end && range.end <= size);
      } catch (error) {
        return errorCode(error) === 'range-invalid' || error instanceof OciError;
      }
    }),
  );
  t.pass();
});
