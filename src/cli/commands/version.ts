import { version } from '../../version.ts';
import type { DefineCommand } from '../command.ts';

export const define: DefineCommand = (command, { output }) => {
  command.description('Prints the version of the program and of the Node that it runs on.').action(() => {
    output.result(
      { version, node: process.versions.node, platform: `${process.platform}/${process.arch}` },
      (found) => `layerswarm ${found.version}, Node ${found.node}, ${found.platform}`,
    );
  });
};
