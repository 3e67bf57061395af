import { MemorySource } from '../../../src/convert/header/byte-source.ts';
import { TarFilter } from '../../../src/convert/pack/tar-filter.ts';
import { parseFstab } from '../../../src/convert/root/fstab.ts';
import { parseOsRelease } from '../../../src/convert/root/os-release.ts';
import { parseOvf } from '../../../src/convert/source/ovf.ts';
import { listTar } from '../../../src/convert/source/tar-index.ts';
import { listZip } from '../../../src/convert/source/zip.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import { check, type FuzzTarget } from '../target.ts';
import { zipFile } from '../../support/zip-file.ts';
import { tarSample } from './archive-samples.ts';

const BLOCK = 512;

export const archiveTargets: readonly FuzzTarget[] = [
  {
    name: 'tar-filter',
    limit: 16 * BLOCK,
    seeds: () => [tarSample(), Buffer.concat([tarSample(), tarSample()])],
    run(input) {
      const whole = input.subarray(0, input.length - (input.length % BLOCK));
      const outcomes = [whole.length, BLOCK].map((chunkBytes) => filtered(whole, Math.max(BLOCK, chunkBytes)));
      check(outcomes[0] === outcomes[1], 'what comes out depends on the chunks in which it came in');
    },
  },
  {
    name: 'tar-index',
    limit: 16 * BLOCK,
    seeds: () => [tarSample(), tarSample({ sparse: true })],
    run(input) {
      for (const { offset, packedSize } of listTar(new MemorySource(input)))
        check(offset >= 0 && packedSize >= 0 && offset + packedSize <= input.length, 'a member outside of the archive');
    },
  },
  {
    name: 'zip',
    seeds: () => [zipFile()],
    run(input) {
      listZip(new MemorySource(input));
    },
  },
  {
    name: 'ovf',
    limit: 64 * 1024,
    seeds: () => [
      '<?xml version="1.0"?><Envelope xmlns:ovf="x"><!-- one --><References><ovf:File ovf:id="f1" ovf:href="disk.vmdk" ovf:chunkSize="9"/></References><DiskSection><ovf:Disk ovf:diskId=\'d\' ovf:fileRef="f1"/></DiskSection></Envelope>',
    ],
    run(input) {
      parseOvf(input.toString('utf8'));
    },
  },
  {
    name: 'fstab',
    seeds: () => [
      '# comment\nUUID=0123-ABCD / ext4 defaults,subvol=@ 0 1\n/dev/sda2\tnone swap sw 0 0\n/a\\040b /c auto\n',
      'NAME="Debian GNU/Linux"\nPRETTY_NAME=\'a\\$b\'\n',
    ],
    run(input) {
      const text = input.toString('utf8');
      for (const { options } of parseFstab(text)) check(options.length > 0, 'an entry without options');
      for (const value of Object.values(parseOsRelease(text))) check(!/\p{Cc}/u.test(value), 'a value that a terminal obeys');
    },
  },
];

/** What comes out, or how it is refused: these words are the filter's, though its input is a program of this project. */
function filtered(input: Buffer, chunkBytes: number): string {
  const parts: Buffer[] = [];
  try {
    const filter = new TarFilter((bytes) => parts.push(Buffer.from(bytes)));
    for (let at = 0; at < input.length; at += chunkBytes) filter.push(input.subarray(at, at + chunkBytes));
    filter.end();
    return Buffer.concat(parts).toString('latin1');
  } catch (error) {
    if (error instanceof LayerswarmError) return `refused: ${error.message}`;
    throw error;
  }
}
