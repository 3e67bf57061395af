import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';
import { LayerswarmError } from '../../errors.ts';
import { Reference } from '../../oci/reference.ts';
import type { Receipt } from '../../status/status-document.ts';

export const define: DefineCommand = (command, context) => {
  command
    .argument('<reference>', 'an image that was pulled, or its digest')
    .description('Tells where the time of an image\'s last pull went.')
    .action(async (text: string) => {
      const agent = await connectToAgent(context);
      const { receipts } = await agent.call('receipts', {});
      const receipt = receipts.find(matcher(text));
      if (receipt === undefined) {
        throw new LayerswarmError('not-found', `there is no receipt of ${text}: the agent keeps those of the last pulls since its start; "layerswarm pull ${text}" makes one`);
      }
      const { formatWhy } = await import('../format.ts');
      context.output.result(receipt, formatWhy);
    });
};

/** A bare name was pulled from the origin, whose registry name the person need not repeat. */
function matcher(text: string): (receipt: Receipt) => boolean {
  if (/^sha(256|512):[0-9a-f]+$/.test(text)) return ({ digest }) => digest === text;
  const wanted = Reference.parse(text, { defaultRegistry: 'origin.invalid' }).withDefaultTag().toString();
  const path = wanted.startsWith('origin.invalid/') ? wanted.slice('origin.invalid'.length) : undefined;
  return ({ reference }) => reference === wanted || (path !== undefined && reference.endsWith(path) && reference.indexOf('/') === reference.length - path.length);
}
