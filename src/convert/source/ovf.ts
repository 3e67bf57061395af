import { createHash } from 'node:crypto';
import { LayerswarmError } from '../../errors.ts';
import type { ByteSource } from '../header/byte-source.ts';
import { readRange, type FileRange, type Unpacking } from './decompress.ts';
import { baseName } from './choose-disk.ts';
import type { TarMember } from './tar-index.ts';

/** DMTF's DSP0243, Open Virtualization Format 1 and 2. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
const MAX_DISKS = 64;

/** A disk of a virtual appliance. */
export interface OvfDisk {
  /** The file in the archive. */
  readonly href: string;
  /** Whether it is cut into several files, as `ovf:chunkSize` says. */
  readonly chunked: boolean;
}

/** The disks that an OVF describes, in its order, without those that are empty. */
export function parseOvf(xml: string): OvfDisk[] {
  const files = new Map<string, OvfDisk>();
  for (const attributes of elements(xml, 'File')) {
    const { id, href } = attributes;
    if (id !== undefined && href !== undefined) files.set(id, { href, chunked: attributes['chunkSize'] !== undefined });
  }
  const disks: OvfDisk[] = [];
  for (const attributes of elements(xml, 'Disk')) {
    const { fileRef } = attributes;
    if (attributes['parentRef'] !== undefined)
      throw new LayerswarmError('unsupported', 'a disk of the OVA is the difference to another one: export the machine without snapshots');
    const file = fileRef === undefined ? undefined : files.get(fileRef);
    if (file !== undefined && disks.length < MAX_DISKS) disks.push(file);
  }
  return disks;
}

/** Attributes of every element of a name, without their namespaces. Only what is asked for is looked at: no entity is ever expanded but XML's own five. */
function elements(xml: string, name: string): Record<string, string>[] {
  // Every pattern here ends after a few steps wherever it begins: the text is hostile, and may be long.
  return [...withoutComments(xml).matchAll(new RegExp(`<(?:[\\w-]{1,64}:)?${name}(\\s[^<>]{0,4096}?)/?>`, 'g'))].map(([, text]) => {
    const values: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const [, key, double, single] of text!.matchAll(/\s(?:[\w-]{1,64}:)?([\w-]{1,64})\s{0,16}=\s{0,16}(?:"([^"]*)"|'([^']*)')/g))
      values[key!] = unescape(double ?? single ?? '');
    return values;
  });
}

function withoutComments(xml: string): string {
  let kept = '';
  for (let at = 0; ;) {
    const start = xml.indexOf('<!--', at);
    if (start < 0) return kept + xml.slice(at);
    kept += xml.slice(at, start);
    const end = xml.indexOf('-->', start + 4);
    if (end < 0) return kept;
    at = end + 3;
  }
}

function unescape(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' };
  return text.replaceAll(/&(?:lt|gt|quot|apos|amp);/g, (entity) => entities[entity]!);
}

/** The disks of an OVA, each found in the archive and checked against the archive's manifest. Undefined where the archive has no OVF. */
export async function ovaDisks(
  members: readonly TarMember[],
  source: ByteSource,
  archive: FileRange,
  unpacking: Unpacking,
  note: (line: string) => void,
): Promise<TarMember[] | undefined> {
  const description = members.find(({ name }) => /\.ovf$/i.test(name));
  if (description === undefined) return undefined;
  const disks = parseOvf(text(source, description)).map(({ href, chunked }) => {
    const member = members.find(({ name }) => name.replace(/^\.\//, '') === href);
    if (chunked)
      throw new LayerswarmError(
        'unsupported',
        `the OVA has its disk ${JSON.stringify(href)} in chunks: unpack it (tar -xf FILE), join them with cat, and convert the disk`,
      );
    if (member === undefined)
      throw new LayerswarmError(
        'size-mismatch',
        `the OVA's disk ${JSON.stringify(href)} is not in it: it is cut short, or was packed without it; copy it again`,
      );
    return member;
  });
  if (disks.length === 0) throw new LayerswarmError('unsupported', 'the OVA describes no disk');
  const manifest = members.find(({ name }) => /\.mf$/i.test(name));
  if (manifest === undefined) note('the OVA has no manifest: nothing says whether its disks are complete');
  else for (const member of [description, ...disks]) await verify(member, text(source, manifest), archive, unpacking);
  return disks;
}

async function verify(member: TarMember, manifest: string, archive: FileRange, { signal, onUnpack }: Unpacking): Promise<void> {
  const name = baseName(member.name);
  for (const line of manifest.split('\n')) {
    const [, algorithm, file, hex] = /^(SHA1|SHA256|SHA512) ?\((.*)\) ?= ?([0-9a-f]+)$/i.exec(line.trim()) ?? [];
    if (file !== name) continue;
    const hash = createHash(algorithm!.toLowerCase());
    for await (const chunk of readRange(
      { path: archive.path, offset: archive.offset + member.offset, size: member.packedSize },
      onUnpack,
    )) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
    if (hash.digest('hex') !== hex!.toLowerCase())
      throw new LayerswarmError(
        'verification-failed',
        `${JSON.stringify(name)} in the OVA is not what its manifest says: it is damaged, or was changed; copy it again`,
      );
    return;
  }
  throw new LayerswarmError(
    'verification-failed',
    `the OVA's manifest says nothing of ${JSON.stringify(name)}: it was changed after it was made; export it again`,
  );
}

function text(source: ByteSource, { offset, packedSize }: TarMember): string {
  if (packedSize > MAX_TEXT_BYTES) throw new LayerswarmError('too-large', "the OVA's description is larger than any sound one");
  return source.read(offset, packedSize).toString('utf8');
}
