import { encode } from 'cborg';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../src/agent/config/config.ts';
import { decodeToken, encodeToken } from '../../../src/cli/join/token.ts';
import { decodeContentList } from '../../../src/containerd/content-client.ts';
import { readManifest, linkedDescriptors } from '../../../src/oci/manifest.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { parseOciErrors } from '../../../src/oci/error-code.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { Reference } from '../../../src/oci/reference.ts';
import { parseContentRange } from '../../../src/origin/blob-reader.ts';
import { parseChallenges } from '../../../src/origin/challenge.ts';
import { nextPage } from '../../../src/origin/link-header.ts';
import { parseRetryAfter } from '../../../src/origin/retry.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import { parseRange } from '../../../src/registry/http/range.ts';
import { encodeNote, parseNote } from '../../../src/swarm/exchange/statement.ts';
import { FrameParser } from '../../../src/swarm/lane/frame-parser.ts';
import { encodeFrame as encodeLaneFrame } from '../../../src/swarm/lane/frame.ts';
import { parseBootstrapAddress } from '../../../src/swarm/network/discovery/bootstrap-address.ts';
import { FrameReader } from '../../../src/swarm/network/frame-reader.ts';
import { decodeFrame, encodeFrame, MAX_FRAME_BYTES } from '../../../src/swarm/protocol/frame.ts';
import { decodeWord, encodeWord, type Word } from '../../../src/swarm/protocol/word.ts';
import { check, type FuzzTarget } from '../target.ts';

const BLOB = `sha256:${'ab'.repeat(32)}`;
const DESCRIPTOR = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: BLOB, size: 7 };

const WORDS: readonly Word[] = [
  {
    type: 'have',
    blob: BLOB,
    runs: [
      [0, 1],
      [3, 4],
    ],
    forZone: false,
  },
  { type: 'lease-request', blob: BLOB, size: 9, pieceLength: 65_536, bits: Uint8Array.of(0), active: [[0, 1]], pieces: 1, insists: true },
  { type: 'lease-grant', blob: BLOB, extents: [{ id: 1, first: 0, count: 1 }], waitMs: 5 },
  { type: 'lease-report', blob: BLOB, id: 1, outcome: 'done', done: [[0, 1]] },
  { type: 'list', blob: BLOB, size: 9, checkpointLength: 1 << 20, digests: new Uint8Array(32), signature: new Uint8Array(64) },
  { type: 'statements', blob: BLOB, statements: [Uint8Array.of(1)] },
  { type: 'error', code: 'c', message: 'm' },
];

export const messageTargets: readonly FuzzTarget[] = [
  {
    name: 'control-frames',
    seeds: () =>
      [
        {
          type: 'hello',
          version: 1,
          agent: 'a',
          zone: 'z',
          name: 'n',
          time: 1,
          origin: { url: 'https://r', source: 'configured' },
          listen: ['/ip4/127.0.0.1/tcp/1'],
        },
        {
          type: 'found',
          holdings: [{ blob: BLOB, state: 'partial', size: 9, pieceLength: 65_536, bits: Uint8Array.of(0x80), inline: new Uint8Array(9) }],
        },
        { type: 'join', holding: { blob: BLOB, state: 'none' }, wants: true },
        {
          type: 'bulk-ticket',
          offer: { addresses: ['127.0.0.1:1'], fingerprint: new Uint8Array(32), ticket: new Uint8Array(32), expiresInMs: 1 },
        },
        { type: 'manifest', digest: BLOB, mediaType: 'a/b', bytes: new Uint8Array(5) },
        { type: 'error', code: 'c', message: 'm' },
      ].map((message, i) => lengthBefore(encode([i % 3, i, message]))),
    run(input) {
      const reader = new FrameReader();
      reader.push(input);
      for (let bytes = reader.next(MAX_FRAME_BYTES); bytes !== undefined; bytes = reader.next(MAX_FRAME_BYTES)) {
        const frame = decodeFrame(bytes);
        if (frame.message === undefined) continue;
        const again = decodeFrame(encodeFrame({ ...frame, message: frame.message }));
        check(
          again.kind === frame.kind && again.id === frame.id && JSON.stringify(again.message) === JSON.stringify(frame.message),
          'a message that is another one once it is sent on',
        );
      }
    },
  },
  {
    name: 'words',
    seeds: () => WORDS.map((word) => encodeWord(word)),
    run(input) {
      const word = decodeWord(input);
      // text that is no UTF-8 is another one once it was read, and nobody sends it on
      if (word.type === 'error' || word.type === 'lease-grant') return;
      check(Buffer.from(encodeWord(word)).equals(input), 'a word that is another one once it is sent on');
    },
  },
  {
    name: 'lane-frames',
    seeds: () => [
      Buffer.concat([
        encodeLaneFrame({ type: 'hello', id: 0, version: 2 }),
        encodeLaneFrame({ type: 'request', id: 1, blob: Digest.parse(BLOB), range: { start: 0, end: 9 } }),
        encodeLaneFrame({ type: 'answer', id: 1, note: Uint8Array.of(1, 2) }),
        encodeLaneFrame({ type: 'data', id: 1, bytes: Buffer.from('some data') }),
        encodeLaneFrame({ type: 'end', id: 1 }),
        encodeLaneFrame({ type: 'refuse', id: 2, reason: 'not-found' }),
        encodeLaneFrame({ type: 'note', id: 0, word: Uint8Array.of(1, 2) }),
      ]),
    ],
    run(input) {
      check(laneFrames(input, input.length) === laneFrames(input, 3), 'what is read depends on the chunks in which it came');
    },
  },
  {
    name: 'statements',
    seeds: () => [
      encodeNote([
        {
          signer: '12D3KooWExample',
          start: 65_536,
          length: 9,
          sha256: Buffer.alloc(32, 1),
          place: 1,
          path: [Buffer.alloc(32, 2)],
          signature: new Uint8Array(64),
        },
      ]),
    ],
    run(input) {
      check(encodeNote(parseNote(input)).equals(input), 'a note that is another one once it is sent on');
    },
  },
  {
    name: 'manifest',
    seeds: () =>
      [
        {
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          config: { ...DESCRIPTOR, mediaType: 'application/vnd.oci.image.config.v1+json', size: 2 },
          layers: [DESCRIPTOR, { ...DESCRIPTOR, urls: ['https://x'], annotations: { a: 'b' } }],
          subject: DESCRIPTOR,
          annotations: { c: 'd' },
        },
        {
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.index.v1+json',
          manifests: [
            {
              ...DESCRIPTOR,
              mediaType: 'application/vnd.oci.image.manifest.v1+json',
              platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
            },
          ],
        },
        { schemaVersion: 1, fsLayers: [] },
        { errors: [{ code: 'DENIED', message: 'no', detail: {} }] },
      ].map((document) => JSON.stringify(document)),
    run(input) {
      for (const { code, message } of parseOciErrors(input))
        check(typeof code === 'string' && typeof message === 'string', 'an error without words');
      const { blobs, foreign, children } = linkedDescriptors(readManifest(input, 'application/vnd.oci.image.manifest.v1+json'));
      for (const { size, digest } of [...blobs, ...foreign, ...children])
        check(Number.isSafeInteger(size) && size >= 0 && Digest.parse(digest.toString()).equals(digest), 'a descriptor that none can be');
    },
  },
  {
    name: 'reference',
    limit: 1024,
    seeds: () => ['alpine', `registry.example:5000/team/app:1.0@${BLOB}`, '[::1]:5000/a/b', 'linux/arm64/v8'],
    run(input) {
      const text = input.toString('utf8');
      try {
        parsePlatform(text);
      } finally {
        const reference = Reference.parse(text);
        check(
          Reference.parse(reference.toString()).toString() === reference.toString(),
          'a reference that is another one once it is written',
        );
        check(Reference.parse(reference.familiar).toString() === reference.toString(), 'a reference that is another one in its short form');
      }
    },
  },
  {
    name: 'range',
    limit: 256,
    seeds: () => ['9 bytes=0-4', '9 bytes=-4', '9 bytes=4-', '5 bytes 0-4/9', '0 bytes=0-'],
    run(input) {
      const [size = '', ...rest] = input.toString('latin1').split(' ');
      const header = rest.join(' ');
      const total = Number.parseInt(size, 10) || 0;
      const content = parseContentRange(header);
      if (content !== undefined) check(content.start >= 0 && content.start <= content.end, 'a range that runs backwards');
      const range = parseRange(header, total);
      if (range !== undefined) check(range.start >= 0 && range.start < range.end && range.end <= total, 'a range outside of the blob');
    },
  },
  {
    name: 'answer-headers',
    limit: 16 * 1024,
    seeds: () => [
      'Bearer realm="https://auth.example/token",service="r",scope="repository:a:pull", Basic realm="x"',
      '</v2/a/tags/list?n=1&last=b>; rel="next"',
      'Negotiate abc==, Basic realm=x',
      '120',
      'Wed, 21 Oct 2026 07:28:00 GMT',
    ],
    run(input) {
      const header = input.toString('latin1');
      parseChallenges(header);
      const wait = parseRetryAfter(header, Date.UTC(2026, 0, 1));
      check(wait === undefined || wait >= 0, 'a time before now');
      const next = nextPage(header, new URL('https://registry.example/v2/a/tags/list'));
      check(next === undefined || (next.host === 'registry.example' && next.protocol === 'https:'), 'a page of another host');
    },
  },
  {
    name: 'configuration',
    seeds: () => [
      'origin: https://registry.example\nlisten: [/ip4/127.0.0.1/tcp/0]\nstore:\n  maxBytes: 10GB\nmirrors:\n  - docker.io\n  - quay.io=https://quay.io\n',
      'limits: {upload: 1MB/s}\naccess: {ttl: 5m}\nreplication:\n  targets: [{name: eu, url: https://eu.example}]\n  policies: [{name: p, repositories: ["team/*"], targets: [eu]}]\n',
    ],
    async run(input) {
      const file = join(tmpdir(), `layerswarm-fuzz-${process.pid}.yaml`);
      writeFileSync(file, input);
      await loadConfig({ file, env: {}, uid: 0 });
    },
  },
  {
    name: 'join',
    seeds: () => [
      encodeToken({ key: Buffer.alloc(32, 1), addresses: ['/ip4/10.0.0.1/tcp/4001'], origin: 'https://r:5000', expires: 4_000_000_000 }),
      'host.example:4001',
      '[::1]:4001',
      '/ip4/10.0.0.1/tcp/4001/p2p/12D3KooWGzYwfeQ2xVyFPd3M6hdKp6gVYFqWUJpwYpZ6Zr3sD4wr',
    ],
    run(input) {
      const text = input.toString('utf8');
      try {
        parseBootstrapAddress(text);
      } finally {
        decodeToken(text, 0);
      }
    },
  },
  {
    name: 'containerd-content',
    seeds: () => [
      protobuf(
        1,
        Buffer.concat([
          protobuf(1, Buffer.from(BLOB)),
          Buffer.of(0x10, 7),
          protobuf(5, Buffer.concat([protobuf(1, Buffer.from('k')), protobuf(2, Buffer.from('v'))])),
        ]),
      ),
    ],
    run(input) {
      let decoded: ReturnType<typeof decodeContentList>;
      try {
        decoded = decodeContentList(input);
      } catch (error) {
        // protobuf's own words, which gRPC passes on as the end of the call
        if (
          error instanceof Error &&
          (error instanceof RangeError || /^(?:invalid|illegal|index out of range|maximum)/i.test(error.message))
        )
          return;
        throw error;
      }
      for (const { digest = '', size = 0, labels = {} } of decoded.info ?? []) {
        check(
          typeof digest === 'string' && typeof size === 'number' && Object.values(labels).every((label) => typeof label === 'string'),
          'fields of other types than the schema has',
        );
        Digest.tryParse(digest);
      }
    },
  },
];

function lengthBefore(frame: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length);
  return Buffer.concat([length, frame]);
}

/** A field of bytes. */
function protobuf(field: number, bytes: Buffer): Buffer {
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return Buffer.concat([Buffer.of((field << 3) | 2, ...length), bytes]);
}

/** What is read of a lane, as text, with data frames that follow each other joined; or how it is refused. */
function laneFrames(input: Buffer, chunkBytes: number): string {
  const parser = new FrameParser();
  let text = '';
  let data = -1;
  try {
    for (let at = 0; at < input.length; at += chunkBytes) {
      parser.push(input.subarray(at, at + chunkBytes));
      for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
        if (frame.type !== 'data' || frame.id !== data) text += `\n${frame.type} ${frame.id} `;
        data = frame.type === 'data' ? frame.id : -1;
        const { type: _type, id: _id, ...rest } = frame;
        text += Object.values(rest)
          .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : JSON.stringify(value)))
          .join(' ');
      }
      parser.compact();
    }
    return text;
  } catch (error) {
    if (error instanceof LayerswarmError) return `${text}\nrefused: ${error.message}`;
    throw error;
  }
}
