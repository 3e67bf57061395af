import { Option } from 'commander';
import { formatBytes } from '../../quantity.ts';
import type { ConvertReceipt } from '../../convert/convert.ts';
import type { DefineCommand } from '../command.ts';
import {
  addDiskOptions,
  addImageOptions,
  compressionOption,
  convertOptions,
  convertProgress,
  type DiskFlags,
  type ImageFlags,
} from '../disk-options.ts';
import { onInterrupt } from '../interrupt.ts';

interface Flags extends DiskFlags, ImageFlags {
  readonly output?: string;
  readonly name?: string;
  readonly split?: 'packages';
}

export const define: DefineCommand = (command, { output }) => {
  addImageOptions(
    addDiskOptions(
      command
        .argument('<disk>', 'a VM disk image: qcow2, raw, VMDK, VDI, VHD or VHDX, also compressed, in a zip or tar archive, or an OVA')
        .description('Makes an OCI image, or one layer as a tarball, of the system on a VM disk image. Needs no root for ext file systems.')
        .option(
          '-o, --output <where>',
          'oci:DIR[:TAG], oci-archive:FILE[:TAG], or tar:FILE (default: oci-archive:NAME.oci.tar in this folder)',
        )
        .option('--name <reference>', "what docker load calls the image (default: the disk's file name)"),
    ),
  )
    .addOption(compressionOption())
    .addOption(
      new Option('--split <how>', 'put what dpkg installed into up to 116 layers that other systems can share, instead of one').choices([
        'packages',
      ]),
    )
    .action(async (disk: string, flags: Flags) => {
      const [{ convertDisk }, { parseOutput }, { diskName }] = await Promise.all([
        import('../../convert/convert.ts'),
        import('../../convert/output.ts'),
        import('../../convert/source/disk-name.ts'),
      ]);
      const target = flags.output ?? `oci-archive:${diskName(disk)}.oci.tar`;
      const progress = convertProgress(process.stderr);
      const { name, split } = flags;
      try {
        const receipt = await convertDisk(disk, parseOutput(target), {
          ...convertOptions(flags),
          name,
          split,
          signal: onInterrupt(),
          onProgress: progress.show,
          onUnpack: progress.unpack,
          onNote: (line) => {
            progress.end();
            output.diagnostic(line);
          },
        });
        progress.end();
        output.result({ output: target, ...receipt }, ({ output, ...receipt }) => formatConversion(output, receipt));
      } finally {
        progress.end();
      }
    });
};

function formatConversion(output: string, { system, platform, root, backend, manifest, layers, name }: ConvertReceipt): string {
  return [
    `${output}  ${system}, ${platform.os}/${platform.architecture}, from ${root} (${backend})`,
    ...(manifest === undefined ? [] : [`manifest  ${manifest.toString()}${name === undefined ? '' : `  ${name}`}`]),
    ...layers.map(
      ({ digest, size, diffId, diffSize }) =>
        `layer     ${digest.toString()}  ${formatBytes(size)}${digest.equals(diffId) ? '' : `, ${formatBytes(diffSize)} unpacked`}`,
    ),
  ].join('\n');
}
