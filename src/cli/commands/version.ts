import { version } from '../../version.ts';
import type { DefineCommand } from '../command.ts';

export const define: DefineCommand = (command, { output }) => {
  command
    .description('Prints the version, and what the program runs on.')
    .action(() => {
      output.result({ version, node: process.versions.node, platform: `${process.platform}/${process.arch}` }, (about) => `layerswarm ${about.version} (Node ${about.node}, ${about.platform})`);
    });
};
