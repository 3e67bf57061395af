import { arch } from 'node:process';
import { LayerswarmError } from '../errors.ts';
import type { Descriptor, Platform } from './descriptor.ts';
import type { ImageIndex } from './manifest.ts';
import { quote } from './name.ts';

const ARCHITECTURE_ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  x64: 'amd64',
  aarch64: 'arm64',
  i386: '386',
  ia32: '386',
  armhf: 'arm',
  armel: 'arm',
};

/** What Node calls this machine's architecture → what images call it (Go's GOARCH). */
const NODE_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mips: 'mips',
  mipsel: 'mipsle',
  loong64: 'loong64',
};

/** "linux/arm64/v8", also "arm64" alone for Linux. @throws LayerswarmError `usage` */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || !parts.every((part) => /^[A-Za-z0-9_.-]{1,64}$/.test(part))) {
    throw new LayerswarmError('usage', `expected a platform such as linux/amd64 or linux/arm64/v8, received ${quote(text)}`);
  }
  const [first, second, third] = parts;
  const [os, architecture, variant] = second === undefined ? ['linux', first!, undefined] : [first!, second, third];
  return normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** This machine's platform; 32-bit ARM is taken for v7, as Node's builds need it. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: 'linux', architecture: NODE_ARCHITECTURES[arch] ?? arch });
}

/** One spelling for platforms that mean the same: lower case, known aliases, and the variant that goes without saying left out. */
export function normalizePlatform(platform: Platform): Platform {
  const { variant: _, ...rest } = platform;
  const os = platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase();
  const written = platform.architecture.toLowerCase();
  const architecture = ARCHITECTURE_ALIASES[written] ?? written;
  const variant = normalizeVariant(architecture, written === 'armel' ? 'v6' : platform.variant?.toLowerCase());
  return { ...rest, os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/**
 * The child of an index that a host of platform `wanted` runs: the best match in the order of containerd's `platforms.Only`
 * (own variant, older variants, 32-bit mode), the first of equals. An index whose only child names no platform gives that child.
 */
export function choosePlatform(index: ImageIndex, wanted: Platform): Descriptor | undefined {
  const children = index.manifests;
  for (const candidate of candidates(normalizePlatform(wanted))) {
    const match = children.find(({ platform }) => platform !== undefined && matches(normalizePlatform(platform), candidate));
    if (match !== undefined) return match;
  }
  const only = children.length === 1 ? children[0] : undefined;
  return only?.platform === undefined ? only : undefined;
}

function normalizeVariant(architecture: string, variant: string | undefined): string | undefined {
  if (architecture === 'arm64') return variant === 'v8' || variant === '8' || variant === '' ? undefined : variant;
  if (architecture === 'amd64') return variant === 'v1' || variant === '' ? undefined : variant;
  if (architecture === 'arm') return variant === undefined || variant === '' ? 'v7' : variant.replace(/^(?=[5-8]$)/, 'v');
  return variant === '' ? undefined : variant;
}

function matches(offered: Platform, wanted: Platform): boolean {
  return (
    offered.os === wanted.os &&
    offered.architecture === wanted.architecture &&
    offered.variant === wanted.variant &&
    (wanted['os.version'] === undefined || offered['os.version'] === undefined || offered['os.version'] === wanted['os.version'])
  );
}

function candidates(wanted: Platform): Platform[] {
  const { variant: _, ...base } = wanted;
  const of = (architecture: string, variants: readonly (string | undefined)[]): Platform[] =>
    variants.map((variant) => (variant === undefined ? { ...base, architecture } : { ...base, architecture, variant }));
  switch (wanted.architecture) {
    case 'amd64':
      return [...of('amd64', downTo(wanted.variant, ['v4', 'v3', 'v2', undefined])), ...of('386', [undefined])];
    case 'arm64':
      return [
        ...of('arm64', wanted.variant === undefined ? [undefined] : [wanted.variant, undefined]),
        ...of('arm', ['v8', 'v7', 'v6', 'v5']),
      ];
    case 'arm':
      return of('arm', downTo(wanted.variant, ['v8', 'v7', 'v6', 'v5']));
    default:
      return [wanted];
  }
}

/** `variants`, newest first, from `first` on; `first` alone when it is none of them. */
function downTo(first: string | undefined, variants: readonly (string | undefined)[]): readonly (string | undefined)[] {
  const start = variants.indexOf(first);
  return start === -1 ? [first] : variants.slice(start);
}
