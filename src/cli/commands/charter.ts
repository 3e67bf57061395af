import { InvalidArgumentError } from 'commander';
import { LayerswarmError } from '../../errors.ts';
import type { CharterStatus } from '../../status/status-document.ts';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';

interface SignFlags {
  readonly key: string;
  readonly output: string;
  readonly serial?: number;
}

export const define: DefineCommand = (command, context) => {
  const { output } = context;
  command.description(
    'The charter says what all nodes of a swarm read from: origin, its CA, mirrors, exclusions, how fresh tags are, which version. An operator signs it with a key that stays off the nodes, and every node that is given the public key follows the newest one, whatever members say.',
  );

  command
    .command('keygen')
    .summary("make an operator's key")
    .description(
      'Makes the key file of an operator, and prints the public key: give that to every node as charterKey, and keep the file away from them. A file that is there is never overwritten.',
    )
    .argument('<file>', 'file to make')
    .option('--swarm <name>', 'what the swarm is called: a charter of another one is refused', 'swarm')
    .action(async (file: string, { swarm }: { swarm: string }) => {
      const { OperatorKey } = await import('../../swarm/charter/operator-key.ts');
      const {
        public: { text },
      } = await OperatorKey.make(file, swarm);
      output.result({ file, charterKey: text }, (made) => made.charterKey);
    });

  command
    .command('sign')
    .summary('sign a charter')
    .description('Checks what a charter says, in YAML, and signs it.')
    .argument('<yaml>', "origin, originCa, mirrors, exclude, tags and version, as in a node's configuration; certificates as text")
    .requiredOption('--key <file>', "the operator's key file")
    .requiredOption('-o, --output <file>', 'the signed charter to write')
    .option('--serial <number>', 'higher than those before (default: the time in seconds)', parseSerial)
    .action(async (yaml: string, flags: SignFlags) => {
      const [{ OperatorKey }, { signCharter }, { parseCharterRules }, { writeStateText }] = await Promise.all([
        import('../../swarm/charter/operator-key.ts'),
        import('../../swarm/charter/signed-charter.ts'),
        import('../../agent/charter/charter-rules.ts'),
        import('../../swarm/network/state-file.ts'),
      ]);
      const content = await readText(yaml);
      parseCharterRules(content);
      const charter = signCharter(await OperatorKey.read(flags.key), flags.serial ?? Math.floor(Date.now() / 1000), content);
      await writeStateText(flags.output, charter.text);
      output.result(
        { file: flags.output, swarm: charter.swarm, serial: charter.serial },
        ({ file, swarm, serial }) =>
          `${file}: charter ${serial} of ${swarm}; give it to any one node with "layerswarm charter publish ${file}"`,
      );
    });

  command
    .command('verify')
    .summary('check a signed charter')
    .description('Checks who signed a charter, and prints what it says.')
    .argument('<file>', 'a signed charter')
    .requiredOption('--key <public key>', 'the operator\'s public key, as "layerswarm charter keygen" printed it')
    .action(async (file: string, { key }: { key: string }) => {
      const [{ CharterKey }, { verifyCharter }, { parseCharterRules }] = await Promise.all([
        import('../../swarm/charter/operator-key.ts'),
        import('../../swarm/charter/signed-charter.ts'),
        import('../../agent/charter/charter-rules.ts'),
      ]);
      const { swarm, serial, content } = verifyCharter(await readText(file), CharterKey.parse(key));
      parseCharterRules(content);
      output.result({ swarm, serial, content }, () => `charter ${serial} of ${swarm}, signed by its operator\n${content.trimEnd()}`);
    });

  command
    .command('publish')
    .summary('give a signed charter to the swarm')
    .description('Gives a signed charter to the agent of this host, which follows it and passes it on to all members.')
    .argument('<file>', 'a signed charter')
    .action(async (file: string) => {
      const text = await readText(file);
      const agent = await connectToAgent(context);
      output.result(await agent.call('charter-publish', { text }), ({ status }) => formatCharter(status));
    });

  command
    .command('show')
    .summary('print the charter that this node follows')
    .description('Prints the charter that the agent of this host follows, and which members are behind.')
    .action(async () => {
      const agent = await connectToAgent(context);
      output.result(await agent.call('charter', {}), ({ text, status }) =>
        [formatCharter(status), ...(text === null ? [] : [text.slice(text.indexOf('\n') + 1).trimEnd()])].join('\n'),
      );
    });
};

function formatCharter({ swarm, serial, behind, refused }: CharterStatus): string {
  const who = behind.length === 0 ? 'followed by every member here' : `${behind.length} members behind: see "layerswarm status"`;
  return [
    serial === null ? `no charter of ${swarm} yet` : `charter ${serial} of ${swarm}, ${who}`,
    ...(refused === null ? [] : [`refused: ${refused}`]),
  ].join('\n');
}

function parseSerial(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('Expected a number from 1 to 999999999999999.');
  return Number(text);
}

async function readText(file: string): Promise<string> {
  const { readFile, stat } = await import('node:fs/promises');
  try {
    // whatever is larger is no charter
    if ((await stat(file)).size > 1 << 20)
      throw new LayerswarmError('too-large', `expected a charter, received ${file} of more than 1 MiB`);
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof LayerswarmError) throw error;
    throw new LayerswarmError(
      'usage',
      `expected a file that can be read, received ${file}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`,
      { cause: error },
    );
  }
}
