import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { LayerswarmError } from '../../errors.ts';
import { Reference } from '../../oci/reference.ts';
import type { Receipt } from '../../status/receipt-document.ts';

export const define: DefineCommand = (command, context) => {
  command
    .argument('<reference>', 'an image that was pulled, its digest, or the id of a pull')
    .description("Tells where the time of an image's last pull went.")
    .option('--slowest', 'of the slowest that is remembered, not the last')
    .action(async (text: string, options: { slowest?: boolean }) => {
      const isMeant = matcher(text);
      const agent = await connectToAgent(context);
      const { receipts } = await agent.call('receipts', {});
      const found = receipts.filter(isMeant);
      const receipt =
        options.slowest === true
          ? found.reduce<Receipt | undefined>(
              (slowest, candidate) => (slowest === undefined || candidate.seconds > slowest.seconds ? candidate : slowest),
              undefined,
            )
          : found[0];
      if (receipt === undefined) {
        throw new LayerswarmError(
          'not-found',
          `there is no receipt of ${text}: the agent keeps those of its last pulls, and of each image's slowest; "layerswarm pull ${text}" makes one`,
        );
      }
      const [{ formatWhy }, { stripLines }] = await Promise.all([import('../format.ts'), import('../receipt-strips.ts')]);
      context.output.result(receipt, (shown) => [formatWhy(shown), ...stripLines(shown)].join('\n'));
    });
};

/** A bare name was pulled from the origin, whose registry name the person need not repeat. */
function matcher(text: string): (receipt: Receipt) => boolean {
  if (/^[0-9a-f]{12}$/.test(text)) return ({ id, reference }) => id === text || reference.endsWith(`/${text}:latest`);
  if (/^sha(256|512):[0-9a-f]+$/.test(text)) return ({ digest }) => digest === text;
  const wanted = Reference.parse(text, { defaultRegistry: 'origin.invalid' }).withDefaultTag().toString();
  const path = wanted.startsWith('origin.invalid/') ? wanted.slice('origin.invalid'.length) : undefined;
  return ({ reference }) =>
    reference === wanted || (path !== undefined && reference.endsWith(path) && reference.indexOf('/') === reference.length - path.length);
}
