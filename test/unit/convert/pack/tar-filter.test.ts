import test from 'ava';
import * as fc from 'fast-check';
import { extract, pack, type Header } from 'tar-stream';
import { TarFilter } from '../../../../src/convert/pack/tar-filter.ts';
import { LayerswarmError } from '../../../../src/errors.ts';

type EntryHeader = Partial<Header> & Pick<Header, 'name'>;

async function archive(...entries: readonly (readonly [EntryHeader, string?])[]): Promise<Buffer> {
  const stream = pack();
  for (const [header, content] of entries) stream.entry({ ...header, mtime: new Date(0) }, content ?? '');
  stream.finalize();
  const bytes = Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>));
  // As tar does it with a blocking factor: zeros up to a whole record.
  return Buffer.concat([bytes, Buffer.alloc(10_240 - (bytes.length % 10_240))]);
}

function filter(input: Buffer, chunkBlocks: number): { output: Buffer; counts: TarFilter['counts'] } {
  const output: Buffer[] = [];
  const filter = new TarFilter((bytes) => output.push(Buffer.from(bytes)));
  for (let at = 0; at < input.length; at += chunkBlocks * 512) filter.push(input.subarray(at, at + chunkBlocks * 512));
  filter.end();
  return { output: Buffer.concat(output), counts: filter.counts };
}

async function list(bytes: Buffer): Promise<string[]> {
  const names: string[] = [];
  const reader = extract();
  reader.end(bytes);
  for await (const entry of reader) {
    names.push(`${entry.header.type} ${entry.header.name}${entry.header.type === 'link' ? ` -> ${entry.header.linkname}` : ''}`);
    entry.resume();
  }
  return names;
}

const LONG = `long/${'x'.repeat(200)}`;

test('archives that follow each other become one, cut at the same place every time', async (t) => {
  const first = await archive([{ name: 'a' }, 'content'], [{ name: LONG }, 'b'.repeat(2000)]);
  const second = await archive([{ name: 'c', type: 'directory' }]);
  const { output, counts } = filter(Buffer.concat([first, second]), 7);
  t.deepEqual(await list(output), ['file a', `file ${LONG}`, 'directory c']);
  t.is(counts.entries, 3);
  t.deepEqual(output.subarray(-1024), Buffer.alloc(1024));
  t.notDeepEqual(output.subarray(-1536, -1024), Buffer.alloc(512));
});

const DEVICES: readonly (readonly [EntryHeader, string?])[] = [
  [{ name: 'before' }, 'x'.repeat(600)],
  [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
  [{ name: 'whiteout', type: 'character-device', devmajor: 0, devminor: 0 }],
  [{ name: 'whiteout2', type: 'link', linkname: 'whiteout' }],
  [
    {
      name: `${LONG}-whiteout`,
      type: 'character-device',
      devmajor: 0,
      devminor: 0,
      pax: { path: `${LONG}-whiteout`, 'SCHILY.xattr.user.a': 'b'.repeat(3000) },
    },
  ],
  [{ name: 'second', type: 'link', linkname: `${LONG}-whiteout`, pax: { linkpath: `${LONG}-whiteout` } }],
  [{ name: 'real', type: 'link', linkname: 'before' }],
  [{ name: LONG, pax: { path: LONG } }, 'y'.repeat(5000)],
];

test('devices 0:0 are taken out with their extended headers and further names, in whatever chunks they come', async (t) => {
  const input = await archive(...DEVICES);
  const kept = ['file before', 'character-device null', 'link real -> before', `file ${LONG}`];
  const whole = filter(input, 10_000);
  t.deepEqual(await list(whole.output), kept);
  t.is(whole.counts.droppedDevices, 4);
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), (blocks) => filter(input, blocks).output.equals(whole.output)));
});

test('what is not dropped passes byte for byte, in whatever chunks it comes', async (t) => {
  const entry = fc.record({ name: fc.stringMatching(/^[a-z]{1,150}$/), size: fc.nat(3000), xattr: fc.option(fc.nat(2000)) });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), fc.integer({ min: 1, max: 9 }), async (entries, blocks) => {
      const input = await archive(
        ...entries.map(
          ({ name, size, xattr }) =>
            [{ name, ...(xattr !== null && { pax: { 'SCHILY.xattr.user.a': 'v'.repeat(xattr) } }) }, 'z'.repeat(size)] as const,
        ),
      );
      const { output } = filter(input, blocks);
      t.true(input.subarray(0, output.length - 1024).equals(output.subarray(0, -1024)));
      t.true(input.subarray(output.length).every((byte) => byte === 0));
    }),
    { numRuns: 50 },
  );
});

/** As GNU tar writes it for the layer: 0 in the field, and the number in the extended header. */
async function hugeFile(size: number): Promise<Buffer> {
  const blocks = await archive([{ name: 'huge', pax: { size: String(size) } }], [{ name: 'after', type: 'directory' }]);
  blocks.write('00000000000\0', 2 * 512 + 124, 'latin1');
  return blocks;
}

test('a file of 8 GiB and more passes whole, with its size in the extended header alone', async (t) => {
  const size = 9 * 2 ** 30;
  const whole = await hugeFile(size);
  const after = whole.lastIndexOf('after');
  let bytes = 0;
  const filter = new TarFilter((part) => {
    bytes += part.length;
  });
  filter.push(whole.subarray(0, after));
  // Zeros, as those of a hole: what looks like the end of an archive is content here.
  const zeros = Buffer.alloc(2 ** 20);
  for (let i = 0; i < size / zeros.length; i++) filter.push(zeros);
  filter.push(whole.subarray(after));
  filter.end();
  t.deepEqual(filter.counts, { entries: 2, bytes: size, droppedDevices: 0 });
  t.is(bytes, after + size + 512 + 1024);
});

test('the value of an extended attribute that imitates records of an extended header means nothing', async (t) => {
  const input = await archive(
    [
      {
        name: 'whiteout',
        type: 'character-device',
        devmajor: 0,
        devminor: 0,
        pax: { 'SCHILY.xattr.user.a': 'x\n13 path=real\n12 size=5000\n' },
      },
    ],
    [{ name: 'real' }, 'abc'],
    [{ name: 'link', type: 'link', linkname: 'real' }],
  );
  const { output, counts } = filter(input, 3);
  t.deepEqual(await list(output), ['file real', 'link link -> real']);
  t.deepEqual(counts, { entries: 3, bytes: 3, droppedDevices: 1 });
});

test('binary numbers are read, and a header with another kind of entry or number is an error', async (t) => {
  const binary = await archive([{ name: 'a' }, 'x'.repeat(700)]);
  binary.write('80000000000000000000', 124, 'hex');
  binary.writeUInt16BE(700, 134);
  t.is(filter(binary, 1).counts.bytes, 700);
  for (const [at, text] of [
    [156, 'g'],
    [156, 'L'],
    [156, 'S'],
    [124, '12x'],
    [124, '-1'],
  ] as const) {
    const broken = await archive([{ name: 'a' }, 'x'.repeat(700)]);
    broken.write(text, at, 'latin1');
    t.throws(() => filter(broken, 1), { instanceOf: LayerswarmError, message: /tar wrote/ }, text);
  }
  for (const record of ['9 a=b\n', '99 size=1\n', 'x size=1\n', '12 size=one\n', '5 a\n\n']) {
    const broken = await archive([{ name: 'a', pax: { comment: 'x'.repeat(40) } }]);
    broken.fill(0, 512, 1024).write(record, 512, 'latin1');
    broken.write(record.length.toString(8).padStart(11, '0'), 124, 'latin1');
    t.throws(() => filter(broken, 1), { instanceOf: LayerswarmError, message: /tar wrote/ }, record);
  }
});

test('an archive that ends in the middle of an entry is an error', async (t) => {
  const input = await archive([{ name: 'a' }, 'x'.repeat(5000)]);
  t.throws(() => filter(input.subarray(0, 1024), 1), { instanceOf: LayerswarmError, message: /middle of an entry/ });
  t.throws(() => filter(input.subarray(0, 700), 1), { instanceOf: LayerswarmError, message: /middle of a block/ });
});
