import test from 'ava';
import * as fc from 'fast-check';
import { createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { readLuksHeader } from '../../../../src/convert/luks/luks-header.ts';
import { openKey } from '../../../../src/convert/luks/open-key.ts';
import { decryptSectors, parseCipher } from '../../../../src/convert/luks/sector-cipher.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { makeLuks } from '../../../support/luks.ts';
import { requireTool } from '../../../support/require-tool.ts';

const CHEAP = ['--pbkdf-force-iterations', '1000'];
const ARGON = ['--type', 'luks2', '--pbkdf-memory', '32', '--pbkdf-parallel', '1', '--pbkdf-force-iterations', '4'];

for (const [what, args, sectorBytes] of [
  ['version 2 with argon2id', [...ARGON, '--pbkdf', 'argon2id'], 4096],
  ['version 2 with argon2i and sectors of 512 bytes', [...ARGON, '--pbkdf', 'argon2i', '--sector-size', '512'], 512],
  ['version 2 with pbkdf2 and SHA-512', ['--type', 'luks2', '--pbkdf', 'pbkdf2', '--hash', 'sha512', ...CHEAP], 4096],
  ['version 1', ['--type', 'luks1', ...CHEAP], 512],
  ['version 1 with CBC and ESSIV', ['--type', 'luks1', '--cipher', 'aes-cbc-essiv:sha256', ...CHEAP], 512],
] as const) {
  test(`the key of a LUKS volume of ${what} is found by its passphrase, and by no other`, async (t) => {
    if (!requireTool(t, 'cryptsetup')) return;
    const { file, key, offset } = await makeLuks(t, args);
    const volume = new MemorySource(readFileSync(file));
    const luks = readLuksHeader(volume);
    t.like(luks, { offset, sectorBytes, firstSector: 0 });
    t.deepEqual(await openKey(volume, luks, Buffer.from('open sesame')), key);
    t.is(await openKey(volume, luks, Buffer.from('open barley')), undefined);
  });
}

test('a damaged LUKS header is an error in words, and none asks for work without end', async (t) => {
  if (!requireTool(t, 'cryptsetup')) return;
  for (const args of [
    [...ARGON, '--pbkdf', 'argon2id'],
    ['--type', 'luks1', ...CHEAP],
  ]) {
    const header = readFileSync((await makeLuks(t, args)).file).subarray(0, 20_000);
    const used = [...header.keys()].filter((at) => header[at] !== 0);
    fc.assert(
      fc.property(fc.array(fc.record({ at: fc.nat(used.length - 1), to: fc.nat(255) }), { minLength: 1, maxLength: 8 }), (changes) => {
        const damaged = Buffer.from(header);
        for (const { at, to } of changes) damaged[used[at]!] = to;
        try {
          readLuksHeader(new MemorySource(damaged));
        } catch (error) {
          if (!(error instanceof LayerswarmError)) throw error;
        }
      }),
      { numRuns: 200 },
    );
    // In each slot that is in use; "time":4 is the cost of argon2.
    const costly = Buffer.from(header.toString('latin1').replace(/"time":4,"memory":32/, '"time":4,"memory":9999999'), 'latin1');
    if (args.includes('luks1')) costly.writeUInt32BE(2 ** 32 - 1, 212);
    t.deepEqual(readLuksHeader(new MemorySource(costly)).slots, []);
  }
});

test('ciphers that are not known are named, and sectors are decrypted as dm-crypt counts them', (t) => {
  t.throws(() => parseCipher('serpent-xts-plain64'), { message: /LUKS with the cipher "serpent-xts-plain64", which is not known here/ });
  const bytes = randomBytes(8192);
  for (const [sectorBytes, first] of [
    [512, 3],
    [4096, 2 ** 33],
  ] as const) {
    const key = randomBytes(64);
    const expected = Array.from({ length: bytes.length / sectorBytes }, (_, i) => {
      const vector = Buffer.alloc(16);
      vector.writeBigUInt64LE(BigInt(first + (i * sectorBytes) / 512));
      return createDecipheriv('aes-256-xts', key, vector).update(bytes.subarray(i * sectorBytes, (i + 1) * sectorBytes));
    });
    t.deepEqual(decryptSectors(parseCipher('aes-xts-plain64'), key, bytes, first, sectorBytes), Buffer.concat(expected));
  }
});
