import { resolve } from 'node:path';
import type { DefineCommand } from '../command.ts';

export const define: DefineCommand = (command, { output }) => {
  command
    .argument('<file>', 'file to make')
    .description('Makes a swarm key file: 32 random bytes that only its owner can read. A file that is there is never overwritten.')
    .action(async (file: string) => {
      const { makeSwarmKey } = await import('../../swarm/network/swarm-key.ts');
      const { id: keyId } = await makeSwarmKey(file);
      output.result(
        { file: resolve(file), keyId },
        (key) => `${key.file}: new swarm key ${key.keyId}; copy it to every member and start each with --swarm-key`,
      );
    });
};
