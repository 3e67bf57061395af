import type { GuestTree } from './guest-tree.ts';

/** os-release(5): assignments as a shell would read them, without anything being expanded. */
export function parseOsRelease(text: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of text.split('\n')) {
    const match = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim());
    if (match === null) continue;
    const [, key, raw] = match as unknown as [string, string, string];
    const quoted = /^(["'])(.*)\1$/.exec(raw);
    values[key] = printable((quoted?.[2] ?? raw).replaceAll(/\\(["'$`\\])/g, '$1'));
  }
  return values;
}

export function readOsRelease(tree: GuestTree): string | undefined {
  return tree.readText('/etc/os-release') ?? tree.readText('/usr/lib/os-release');
}

/** The name for people, e.g. "Debian GNU/Linux 12 (bookworm)". */
export function systemName(osRelease: string | undefined): string {
  const values = parseOsRelease(osRelease ?? '');
  return values['PRETTY_NAME'] ?? values['NAME'] ?? 'Linux';
}

/** It comes from the disk and goes to terminals and annotations. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e\u00a0-\u{10ffff}]/gu, '').slice(0, 200);
}
