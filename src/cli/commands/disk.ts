import { formatBytes } from '../../quantity.ts';
import type { DefineCommand } from '../command.ts';
import { addDiskOptions, openOptions, type DiskFlags } from '../disk-options.ts';
import { onInterrupt } from '../interrupt.ts';
import { table } from '../table.ts';

export const define: DefineCommand = (command, { output }) => {
  command.description('Shows a VM disk image as files, without copying or changing it, until it is unmounted.');
  const note = (line: string): void => {
    output.diagnostic(line);
  };

  addDiskOptions(
    command
      .command('map')
      .summary('show the virtual disk, and each partition and logical volume in it, as files')
      .description(
        'Shows the virtual disk of an image, and each partition and logical volume in it, as files of a folder: disk, p1, p2, group-volume. What is written to them is thrown away at the end.',
      )
      .argument('<disk>', 'a VM disk image')
      .argument('<folder>', 'an empty folder, or a new one'),
  ).action(async (disk: string, folder: string, flags: DiskFlags) => {
    const { mapDisk } = await import('../../convert/disk/persistent.ts');
    output.result(
      await mapDisk(disk, folder, { ...openOptions(flags), signal: onInterrupt(), onNote: note }),
      ({ folder, files, unreadable }) =>
        [
          table(
            [
              { label: 'SIZE', value: ({ size }) => formatBytes(size), align: 'right' },
              { label: 'FILE', value: ({ file }) => file },
            ],
            files,
            '',
          ),
          ...unreadable.map((line) => `not readable: ${line}`),
          `take it away with: layerswarm disk unmount ${folder}`,
        ].join('\n'),
    );
  });

  addDiskOptions(
    command
      .command('mount')
      .summary('show the system on a disk image, or in a mapped folder, as a folder')
      .description('Shows the files of the system on a disk image, or in a folder that "disk map" made, read-only as one folder.')
      .argument('<disk-or-folder>', 'a VM disk image, or a folder that "layerswarm disk map" made')
      .argument('<folder>', 'an empty folder, or a new one'),
  ).action(async (source: string, folder: string, flags: DiskFlags) => {
    const { mountDisk } = await import('../../convert/disk/persistent.ts');
    output.result(
      await mountDisk(source, folder, { ...openOptions(flags), signal: onInterrupt(), onNote: note }),
      ({ folder, system, root }) => `${folder}: ${system}, from ${root}\ntake it away with: layerswarm disk unmount ${folder}`,
    );
  });

  command
    .command('unmount')
    .summary('take away what map or mount showed')
    .description('Takes away what "disk map" or "disk mount" showed in a folder.')
    .argument('<folder>', 'the folder')
    .option('--scratch <dir>', 'the folder for temporary files, where one was given')
    .action(async (folder: string, { scratch }: Pick<DiskFlags, 'scratch'>) => {
      const { unmountDisk } = await import('../../convert/disk/persistent.ts');
      await unmountDisk(folder, scratch);
      output.result({ folder }, ({ folder }) => `${folder}: nothing is there any more`);
    });
};
