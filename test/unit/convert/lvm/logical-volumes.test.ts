import test from 'ava';
import * as fc from 'fast-check';
import { readLogicalVolumes } from '../../../../src/convert/lvm/logical-volumes.ts';
import { parseMetadata } from '../../../../src/convert/lvm/metadata-text.ts';
import { LayerswarmError } from '../../../../src/errors.ts';

interface Group {
  id?: string;
  name?: string;
  sequence?: number;
  segments?: string[];
}

const segment = (
  start: number,
  count: number,
  extent: number,
  type = 'striped',
  stripes = `stripe_count = 1\nstripes = [ "pv0", ${extent} ]`,
): string => `start_extent = ${start}\nextent_count = ${count}\ntype = "${type}"\n${stripes}`;

function group({ id = 'AAAA', name = 'vg', sequence = 1, segments = [segment(0, 2, 5)] }: Group = {}): string {
  return (
    `${name} {\nid = "${id}"\nseqno = ${sequence}\nextent_size = 8 # 4 KiB\nphysical_volumes {\npv0 {\nid = "pv-${id}"\npe_start = 2048\n}\n}\n` +
    `logical_volumes {\nroot {\nid = "x"\nstatus = ["READ", "WRITE", "VISIBLE"]\nsegment_count = ${segments.length}\n${segments.map((text, i) => `segment${i + 1} {\n${text}\n}`).join('\n')}\n}\n}\n}\n# Generated\ncontents = "Text Format Volume Group"\nversion = 1\n`
  );
}

const physical = (
  metadata: string | undefined,
  id = 'AAAA',
  volume = 'p1',
): { id: string; metadata: string | undefined; volume: string; size: number } => ({ id: `pv${id}`, metadata, volume, size: 100 * 2 ** 20 });

test('the segments of a linear volume are bytes of its partition, in order', (t) => {
  const { volumes } = readLogicalVolumes([physical(group({ segments: [segment(0, 2, 5), segment(2, 1, 0)] }))]);
  t.deepEqual(volumes, [
    {
      group: 'vg',
      groupId: 'AAAA',
      name: 'root',
      segments: [
        { volume: 'p1', offset: 2 ** 20 + 5 * 4096, size: 8192 },
        { volume: 'p1', offset: 2 ** 20, size: 4096 },
      ],
    },
  ]);
});

test('two groups of one name are two groups', (t) => {
  const { volumes } = readLogicalVolumes([physical(group()), physical(group({ id: 'BBBB' }), 'BBBB', 'p2')]);
  t.deepEqual(
    volumes.map(({ groupId, segments }) => [groupId, segments[0]?.volume]),
    [
      ['AAAA', 'p1'],
      ['BBBB', 'p2'],
    ],
  );
});

test('the newest metadata of a group counts', (t) => {
  const { volumes } = readLogicalVolumes([
    physical(group({ sequence: 9, segments: [segment(0, 1, 1)] })),
    physical(group({ sequence: 8 })),
  ]);
  t.is(volumes[0]?.segments[0]?.size, 4096);
});

for (const [what, segments, reason] of [
  [
    'a thin volume',
    [segment(0, 2, 0, 'thin', 'thin_pool = "pool"')],
    'of type thin; activate its group on a host that you trust (vgchange -ay), and convert its device',
  ],
  ['a mirror without images', [segment(0, 2, 0, 'raid1', 'device_count = 2')], 'a mirror without images'],
  [
    'a striped volume',
    [segment(0, 2, 0, 'striped', 'stripe_count = 2\nstripes = ["pv0", 0, "pv0", 9]')],
    'striped over several physical volumes',
  ],
  [
    'a volume with a part on another disk',
    [segment(0, 2, 0, 'striped', 'stripe_count = 1\nstripes = ["pv7", 0]')],
    'partly on a physical volume that is not on this disk (pv7): name the disk that has it with --disk',
  ],
] as const) {
  test(`${what} is named with the reason why it cannot be read`, (t) => {
    const [volume] = readLogicalVolumes([physical(group({ segments: [...segments] }))]).volumes;
    t.is(volume?.unreadable, reason);
    t.deepEqual(volume?.segments, []);
  });
}

test('a volume with a damaged segment is named, and a damaged group does not hide another', (t) => {
  for (const [damaged, why] of [
    [segment(0, 2, 1_000_000), /outside its physical volume/],
    [segment(1, 2, 0), /does not follow/],
  ] as const) {
    t.regex(readLogicalVolumes([physical(group({ segments: [damaged] }))]).volumes[0]?.unreadable ?? '', why);
  }
  for (const broken of [group({ id: 'BBBB' }).replace('extent_size', 'x'), 'vg { {']) {
    const { volumes, damaged } = readLogicalVolumes([physical(broken, 'BBBB', 'p2'), physical(group())]);
    t.deepEqual(
      volumes.map(({ groupId, unreadable }) => [groupId, unreadable]),
      [['AAAA', undefined]],
    );
    t.is(damaged.length, 1);
  }
});

test('a physical volume whose group is described nowhere is named', (t) => {
  t.deepEqual(readLogicalVolumes([physical(group()), physical(undefined, 'AAAA', 'p2'), physical(undefined, 'CCCC', 'p3')]).damaged, [
    'p3: a physical volume of an LVM group that is not described on this disk',
  ]);
});

for (const [type, lines] of [
  ['raid1', 'device_count = 2\nraids = ["root_rmeta_0", "root_rimage_0", "root_rmeta_1", "root_rimage_1"]'],
  ['mirror', 'mirror_count = 2\nmirrors = ["root_rimage_0", 0, "root_rimage_1", 0]'],
] as const) {
  test(`a ${type} is read from the first of its images that is here and whole`, (t) => {
    const image = (name: string, place: string, status = '"READ"'): string =>
      `${name} {\nid = "y"\nstatus = [${status}]\nsegment_count = 1\nsegment1 {\n${segment(0, 2, 7, 'striped', `stripe_count = 1\nstripes = [ "${place}", 7 ]`)}\n}\n}\n`;
    const withImages = (...images: string[]): string =>
      group({ segments: [segment(0, 2, 0, type, lines)] }).replace('logical_volumes {\n', `logical_volumes {\n${images.join('')}`);
    const read = (...images: string[]): unknown => readLogicalVolumes([physical(withImages(...images))]).volumes;
    const expected = [
      { group: 'vg', groupId: 'AAAA', name: 'root', segments: [{ volume: 'p1', offset: 2 ** 20 + 7 * 4096, size: 8192 }], mirror: true },
    ];
    t.deepEqual(read(image('root_rimage_0', 'pv0'), image('root_rimage_1', 'pv9')), expected);
    t.deepEqual(read(image('root_rimage_0', 'pv9'), image('root_rimage_1', 'pv0')), expected);
    t.deepEqual(read(image('root_rimage_0', 'pv0', '"READ", "REBUILD"'), image('root_rimage_1', 'pv0')), expected);
    t.like(read(image('root_rimage_0', 'pv9'), image('root_rimage_1', 'pv9')), [
      { unreadable: 'partly on a physical volume that is not on this disk (pv9): name the disk that has it with --disk' },
    ]);
  });
}

test('names in the metadata reach no prototype', (t) => {
  const section = parseMetadata('__proto__ { x = 1 }\nconstructor = "a\\"b"');
  t.deepEqual(Object.keys(section), ['__proto__', 'constructor']);
  t.is(section['constructor'], 'a"b');
  t.is(({} as { x?: unknown }).x, undefined);
});

test('damaged metadata is refused and never crashes the parser', (t) => {
  const text = group();
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(40), fc.string(), (at, count, insert) => {
      try {
        readLogicalVolumes([physical(text.slice(0, at) + insert + text.slice(at + count))]);
      } catch (error) {
        if (!(error instanceof LayerswarmError) || error.code === 'internal') throw error;
      }
    }),
  );
  t.pass();
});
