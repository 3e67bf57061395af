import test from 'ava';
import * as fc from 'fast-check';
import { LayerswarmError } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import type { ImageIndex } from '../../../src/oci/manifest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform } from '../../../src/oci/platform.ts';

const SPELLINGS: readonly [string, string][] = [
  ['linux/amd64', 'linux/amd64'],
  ['linux/x86_64', 'linux/amd64'],
  ['linux/amd64/v1', 'linux/amd64'],
  ['linux/amd64/v3', 'linux/amd64/v3'],
  ['linux/arm64', 'linux/arm64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/aarch64', 'linux/arm64'],
  ['arm64', 'linux/arm64'],
  ['linux/arm', 'linux/arm/v7'],
  ['linux/arm/6', 'linux/arm/v6'],
  ['linux/armel', 'linux/arm/v6'],
  ['Linux/S390X', 'linux/s390x'],
  ['windows/amd64', 'windows/amd64'],
];

for (const [text, normal] of SPELLINGS) {
  test(`${text} means ${normal}`, (t) => {
    t.is(formatPlatform(parsePlatform(text)), normal);
  });
}

for (const text of ['', '/', 'linux/', 'a/b/c/d', 'linux/amd 64', 'linux/*']) {
  test(`"${text}" is no platform`, (t) => {
    t.like(
      t.throws(() => parsePlatform(text)),
      { code: 'usage' },
    );
  });
}

test('this host has a platform that reads back as itself', (t) => {
  t.deepEqual(parsePlatform(formatPlatform(hostPlatform())), hostPlatform());
  t.is(hostPlatform().os, 'linux');
});

function indexOf(...platforms: (string | undefined)[]): ImageIndex {
  return {
    kind: 'index',
    mediaType: MediaType.ociIndex,
    manifests: platforms.map((text, at) => {
      const [os, architecture, variant] = text?.split('/') ?? [];
      const platform = { os: os!, architecture: architecture!, ...(variant === undefined ? {} : { variant }) };
      return {
        mediaType: MediaType.ociManifest,
        digest: Digest.of(Buffer.from(String(at))),
        size: 1,
        ...(text === undefined ? {} : { platform }),
      };
    }),
  };
}

// wanted, offered, index of the choice
const CHOICES: readonly [string, (string | undefined)[], number][] = [
  ['linux/amd64', ['linux/arm64', 'linux/amd64', 'windows/amd64'], 1],
  ['linux/amd64', ['linux/amd64/v3', 'linux/amd64'], 1],
  ['linux/amd64', ['linux/amd64/v3'], -1],
  ['linux/amd64/v4', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3'], 2],
  ['linux/amd64', ['linux/386'], 0],
  ['linux/arm64', ['linux/arm/v7', 'linux/arm64/v8'], 1],
  ['linux/arm64', ['linux/arm/v6', 'linux/arm/v7'], 1],
  ['linux/arm/v6', ['linux/arm/v7', 'linux/arm/v5'], 1],
  ['linux/arm', ['linux/arm/v6', 'linux/arm/v7'], 1],
  ['linux/s390x', ['linux/amd64', 'unknown/unknown'], -1],
  ['linux/amd64', ['unknown/unknown', 'linux/amd64', 'linux/amd64'], 1],
  ['linux/amd64', [undefined], 0],
  ['linux/amd64', [undefined, undefined], -1],
  ['linux/amd64', [], -1],
];

for (const [wanted, offered, choice] of CHOICES) {
  test(`a ${wanted} host takes ${choice === -1 ? 'nothing' : `number ${choice}`} of [${offered.join(', ')}]`, (t) => {
    const index = indexOf(...offered);
    t.is(choosePlatform(index, parsePlatform(wanted)), index.manifests[choice]);
  });
}

test('any text is a platform or refused', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9/]{0,20}$/)), (text) => {
        try {
          const platform = parsePlatform(text);
          return formatPlatform(parsePlatform(formatPlatform(platform))) === formatPlatform(platform);
        } catch (error) {
          return error instanceof LayerswarmError && error.code === 'usage';
        }
      }),
    );
  });
});
