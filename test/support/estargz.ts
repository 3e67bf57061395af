import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { tarBytes } from './tar-file.ts';

// eStargz: https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md

export const FOOTER_BYTES = 51;
const TOC_NAME = 'stargz.index.json';
const BLOCK = 512;
/** Two blocks of zeros end a tar. */
const END = Buffer.alloc(2 * BLOCK);
/** An empty gzip member with an extra field, `STARGZ` after 16 hexadecimal digits of the TOC's offset. */
const FOOTER_HEAD = Buffer.from('1f8b08040000000000ff1a0053471600', 'hex');
const FOOTER_TAIL = Buffer.from('010000ffff0000000000000000', 'hex');

export interface TocEntry {
  readonly name: string;
  readonly type: 'reg' | 'chunk';
  readonly size?: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the gzip member that begins with the chunk. */
  readonly offset: number;
  readonly chunkOffset: number;
  /** 0: as far as the file goes. */
  readonly chunkSize: number;
  readonly chunkDigest: string;
  readonly digest?: string;
}

export interface EStargz {
  readonly blob: Buffer;
  /** For the annotation of the layer, `containerd.io/snapshot/stargz/toc.digest`. */
  readonly tocDigest: string;
  /** Of the tar that is in it. */
  readonly diffId: string;
}

/** A layer of these files that is read a chunk at a time. Their bytes are stored, not compressed. */
export async function eStargz(files: Readonly<Record<string, Buffer>>, chunkBytes: number): Promise<EStargz> {
  const members: Buffer[] = [];
  const entries: (Omit<TocEntry, 'offset'> & { readonly member: number })[] = [];
  // what precedes the payload of a file belongs to the member before
  let open = Buffer.alloc(0);
  const close = (): void => void members.push(open);
  const all = { '.no.prefetch.landmark': Buffer.from([0xf]), ...files };
  for (const [name, content] of Object.entries(all)) {
    open = Buffer.concat([open, await tarHeader(name, content)]);
    for (let at = 0; at < content.length; at += chunkBytes) {
      close();
      open = content.subarray(at, at + chunkBytes);
      entries.push({
        name,
        mode: 0o644,
        uid: 0,
        gid: 0,
        member: members.length,
        chunkOffset: at,
        chunkDigest: sha256(open),
        chunkSize: at + chunkBytes < content.length ? chunkBytes : 0,
        ...(at === 0 ? { type: 'reg', size: content.length, digest: sha256(content) } : { type: 'chunk' }),
      });
    }
    open = Buffer.concat([open, padding(content.length)]);
  }
  close();
  const compressed = members.map((bytes) => gzipSync(bytes, { level: 0 }));
  const offsets: number[] = [0];
  for (const { length } of compressed) offsets.push(offsets.at(-1)! + length);
  const toc = Buffer.from(
    JSON.stringify({ version: 1, entries: entries.map(({ member, ...entry }) => ({ ...entry, offset: offsets[member]! })) }),
  );
  const tocTar = Buffer.concat([await tarHeader(TOC_NAME, toc), toc, padding(toc.length), END]);
  const footer = Buffer.concat([FOOTER_HEAD, Buffer.from(`${offsets.at(-1)!.toString(16).padStart(16, '0')}STARGZ`), FOOTER_TAIL]);
  return {
    blob: Buffer.concat([...compressed, gzipSync(tocTar), footer]),
    tocDigest: sha256(toc),
    diffId: sha256(Buffer.concat([...members, tocTar])),
  };
}

/** What a lazy client does: footer, table of contents, then a chunk when it is needed, each checked by itself. */
export class LazyLayer {
  readonly entries: readonly TocEntry[];
  readonly tocOffset: number;
  readonly #read: (start: number, end: number) => Promise<Buffer>;

  private constructor(entries: readonly TocEntry[], tocOffset: number, read: (start: number, end: number) => Promise<Buffer>) {
    this.entries = entries;
    this.tocOffset = tocOffset;
    this.#read = read;
  }

  /** @throws when it is no eStargz layer with that TOC */
  static async open(size: number, tocDigest: string, read: (start: number, end: number) => Promise<Buffer>): Promise<LazyLayer> {
    const footer = await read(size - FOOTER_BYTES, size);
    const magic = footer.subarray(FOOTER_HEAD.length + 16, -FOOTER_TAIL.length).toString();
    if (
      !footer.subarray(0, FOOTER_HEAD.length).equals(FOOTER_HEAD) ||
      magic !== 'STARGZ' ||
      !footer.subarray(-FOOTER_TAIL.length).equals(FOOTER_TAIL)
    )
      throw new Error('no footer of eStargz');
    const tocOffset = Number.parseInt(footer.subarray(FOOTER_HEAD.length, FOOTER_HEAD.length + 16).toString(), 16);
    const tar = gunzipSync(await read(tocOffset, size - FOOTER_BYTES));
    const length = Number.parseInt(tar.subarray(124, 135).toString(), 8);
    const toc = tar.subarray(BLOCK, BLOCK + length);
    if (tar.subarray(0, TOC_NAME.length).toString() !== TOC_NAME || sha256(toc) !== tocDigest) throw new Error('another table of contents');
    const { entries } = JSON.parse(toc.toString()) as { entries: TocEntry[] };
    return new LazyLayer(entries, tocOffset, read);
  }

  /** @throws when its bytes are not those of the table */
  async chunk(name: string, chunkOffset: number): Promise<Buffer> {
    const index = this.entries.findIndex((entry) => entry.name === name && entry.chunkOffset === chunkOffset);
    const entry = this.entries[index]!;
    const { size } = this.entries.find((first) => first.name === name && first.type === 'reg')!;
    const member = gunzipSync(await this.#read(entry.offset, this.entries[index + 1]?.offset ?? this.tocOffset));
    const chunk = member.subarray(0, entry.chunkSize === 0 ? size! - chunkOffset : entry.chunkSize);
    if (sha256(chunk) !== entry.chunkDigest) throw new Error(`${name} at ${chunkOffset} has other bytes than the table says`);
    return chunk;
  }
}

/** The first block of a tar that holds the file alone. */
async function tarHeader(name: string, content: Uint8Array): Promise<Buffer> {
  return (await tarBytes([{ name, content }])).subarray(0, BLOCK);
}

function padding(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
