/** A file, a folder, a device 0:0 with another name, and a long name; by POSIX and not by the code under test. */
export function tarSample({ sparse = false }: { sparse?: boolean } = {}): Buffer {
  const pax = paxRecord('path', `long/${'x'.repeat(120)}`);
  return Buffer.concat([
    tarHeader('file', '0', 5),
    block('hello'),
    tarHeader('folder/', '5', 0),
    tarHeader('white', '3', 0),
    tarHeader('again', '1', 0, 'white'),
    tarHeader('pax', 'x', pax.length),
    block(pax),
    tarHeader('short', '0', 0),
    ...(sparse ? [tarHeader('sparse', 'S', 4, '', [[512, 4]]), block('data')] : []),
    Buffer.alloc(1024),
  ]);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 2;
  while (`${length}${rest}`.length !== length) length += 1;
  return `${length}${rest}`;
}

function tarHeader(name: string, type: string, size: number, link = '', sparse: readonly (readonly [number, number])[] = []): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  for (const [at, value, digits] of [
    [100, 0o644, 7],
    [108, 0, 7],
    [116, 0, 7],
    [124, size, 11],
    [136, 0, 11],
    [329, 0, 7],
    [337, 0, 7],
  ] as const)
    header.write(value.toString(8).padStart(digits, '0'), at);
  header.write(type, 156);
  header.write(link, 157);
  header.write(sparse.length === 0 ? 'ustar\x0000' : 'ustar  \0', 257, 'latin1');
  for (const [i, [offset, bytes]] of sparse.entries()) {
    header.write(offset.toString(8).padStart(11, '0'), 386 + i * 24);
    header.write(bytes.toString(8).padStart(11, '0'), 398 + i * 24);
    header.write((offset + bytes).toString(8).padStart(11, '0'), 483);
  }
  header.fill(' ', 148, 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
  return header;
}

function block(text: string): Buffer {
  const bytes = Buffer.alloc(Math.ceil(text.length / 512) * 512);
  bytes.write(text);
  return bytes;
}
