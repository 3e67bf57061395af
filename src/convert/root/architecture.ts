import { LayerswarmError } from '../../errors.ts';
import type { Platform } from '../../oci/descriptor.ts';
import type { GuestTree } from './guest-tree.ts';

/** ELF e_machine, with the class and byte order that go with it, to OCI's names (GOARCH). */
const MACHINES: readonly { machine: number; bits: 32 | 64; order: 'LE' | 'BE'; architecture: string; variant?: string }[] = [
  { machine: 62, bits: 64, order: 'LE', architecture: 'amd64' },
  { machine: 183, bits: 64, order: 'LE', architecture: 'arm64', variant: 'v8' },
  { machine: 40, bits: 32, order: 'LE', architecture: 'arm', variant: 'v7' },
  { machine: 3, bits: 32, order: 'LE', architecture: '386' },
  { machine: 243, bits: 64, order: 'LE', architecture: 'riscv64' },
  { machine: 21, bits: 64, order: 'LE', architecture: 'ppc64le' },
  { machine: 22, bits: 64, order: 'BE', architecture: 's390x' },
  { machine: 258, bits: 64, order: 'LE', architecture: 'loong64' },
  { machine: 8, bits: 64, order: 'LE', architecture: 'mips64le' },
];
const PROGRAMS = [
  '/bin/sh',
  '/usr/bin/sh',
  '/bin/busybox',
  '/sbin/init',
  '/usr/lib/systemd/systemd',
  '/lib/systemd/systemd',
  '/usr/bin/env',
];

/** The platform of the programs in the tree, from the ELF header of its shell. */
export function readPlatform(tree: GuestTree): Platform {
  for (const program of PROGRAMS) {
    const header = tree.readFile(program, 64);
    const platform = header && parseElf(header);
    if (platform !== undefined) return platform;
  }
  throw new LayerswarmError(
    'unsupported',
    `none of ${PROGRAMS.slice(0, 4).join(', ')} in the root is an ELF program of a known machine: is this the right root (--root)?`,
  );
}

export function parseElf(header: Buffer): Platform | undefined {
  if (header.length < 20 || header.readUInt32BE(0) !== 0x7f45_4c46) return undefined;
  const bits = header[4] === 2 ? 64 : 32;
  const order = header[5] === 2 ? 'BE' : 'LE';
  const machine = order === 'LE' ? header.readUInt16LE(18) : header.readUInt16BE(18);
  const found = MACHINES.find((candidate) => candidate.machine === machine && candidate.bits === bits && candidate.order === order);
  return found && { os: 'linux', architecture: found.architecture, ...(found.variant !== undefined && { variant: found.variant }) };
}
