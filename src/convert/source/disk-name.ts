import { basename } from 'node:path';

const PACKED = /\.(?:gz|xz|zst|bz2|lz4|zip|tar|tgz|txz)$/i;

/** What a disk image is called without its endings: `/images/debian.qcow2.xz` → `debian`. */
export function diskName(image: string): string {
  let name = basename(image);
  while (PACKED.test(name)) name = name.replace(PACKED, '');
  return name.replace(/\.[a-z0-9]{2,5}$/i, '');
}
