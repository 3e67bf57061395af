import test from 'ava';
import { formatBytes, parseDuration, parseRate, parseSize } from '../../src/quantity.ts';

const table: readonly [parser: (text: string | number) => number | undefined, text: string | number, value: number | undefined][] = [
  [parseSize, 1024, 1024],
  [parseSize, '1024', 1024],
  [parseSize, '1.5KiB', 1536],
  [parseSize, '200 GB', 200e9],
  [parseSize, '2TiB', 2 * 2 ** 40],
  [parseSize, '30T', 30 * 2 ** 40],
  [parseSize, '512k', 512 * 1024],
  [parseSize, '', undefined],
  [parseSize, '-1', undefined],
  [parseSize, '1XB', undefined],
  [parseSize, '9e9', undefined],
  [parseSize, '99999999TiB', undefined],
  [parseRate, '50MB/s', 50e6],
  [parseRate, '400Mbit/s', 50e6],
  [parseRate, '8kbit', 1000],
  [parseRate, 0, 0],
  [parseRate, 'fast', undefined],
  [parseDuration, '30s', 30_000],
  [parseDuration, '7d', 604_800_000],
  [parseDuration, '500ms', 500],
  [parseDuration, 0, 0],
  [parseDuration, '30', undefined],
];
for (const [parser, text, value] of table) {
  test(`${parser.name} reads ${JSON.stringify(text)} as ${value}`, (t) => {
    t.is(parser(text), value);
  });
}

test('bytes are shown with three digits and a binary unit', (t) => {
  t.deepEqual([0, 1023, 1536, 20 * 2 ** 20, 300 * 2 ** 30].map(formatBytes), ['0 B', '1023 B', '1.50 KiB', '20.0 MiB', '300 GiB']);
});
