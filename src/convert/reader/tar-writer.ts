import { LATEST_TIME } from '../pack/tar-program.ts';
import { TAR_BLOCK } from '../pack/tar-header.ts';

/** Larger numbers go into the extended header. */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;
const NAME_BYTES = 100;

export interface TarEntry {
  /** latin1, as all strings here; a folder's ends with a slash. */
  readonly name: string;
  readonly type: '0' | '1' | '2' | '3' | '4' | '5' | '6';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  /** Of a hard or symbolic link. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly attributes: readonly { readonly name: string; readonly value: Buffer }[];
}

/** The headers of an entry, byte for byte as GNU tar writes them with the options of `tar-program.ts`. */
export function tarHeaders(entry: TarEntry): Buffer {
  const records: Buffer[] = [];
  const record = (key: string, value: string | Buffer | number): void => {
    records.push(paxRecord(key, Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'latin1')));
  };
  if (entry.target.length > NAME_BYTES) record('linkpath', entry.target);
  if (entry.name.length > NAME_BYTES || /[^\0-\x7f]/.test(entry.name)) record('path', entry.name);
  if (entry.uid > MAX_ID) record('uid', entry.uid);
  if (entry.gid > MAX_ID) record('gid', entry.gid);
  if (entry.size > MAX_SIZE) record('size', entry.size);
  for (const { name, value } of entry.attributes) record(`SCHILY.xattr.${name.replaceAll('%', '%25').replaceAll('=', '%3D')}`, value);

  const header = makeHeader({
    ...entry,
    uid: entry.uid > MAX_ID ? 0 : entry.uid,
    gid: entry.gid > MAX_ID ? 0 : entry.gid,
    size: entry.size > MAX_SIZE ? 0 : entry.size,
    mtime: Math.min(Math.max(0, entry.mtime), LATEST_TIME),
  });
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const padding = Buffer.alloc(-body.length & (TAR_BLOCK - 1));
  const extended = makeHeader({
    name: paxName(entry.name),
    type: 'x',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: LATEST_TIME,
    target: '',
  });
  return Buffer.concat([extended, body, padding, header]);
}

/** `./etc/fstab` → `./etc/PaxHeaders/fstab` */
function paxName(name: string): string {
  const plain = name.replace(/\/$/, '');
  const slash = plain.lastIndexOf('/');
  return `${slash === -1 ? '.' : plain.slice(0, slash)}/PaxHeaders/${plain.slice(slash + 1)}`;
}

/** Its length counts itself. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), value, Buffer.from('\n')]);
}

type HeaderFields = Omit<TarEntry, 'type' | 'major' | 'minor' | 'attributes'> & {
  readonly type: string;
  readonly major?: number;
  readonly minor?: number;
};

function makeHeader({ name, type, mode, uid, gid, size, mtime, target, major, minor }: HeaderFields): Buffer {
  const header = Buffer.alloc(TAR_BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  header.write(name.slice(0, NAME_BYTES), 0, 'latin1');
  octal(mode, 100, 7);
  octal(uid, 108, 7);
  octal(gid, 116, 7);
  octal(size, 124, 11);
  octal(mtime, 136, 11);
  header.write(type, 156, 'latin1');
  header.write(target.slice(0, NAME_BYTES), 157, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  if (major !== undefined) octal(major, 329, 7);
  if (minor !== undefined) octal(minor, 337, 7);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
