import { readFile } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { LayerswarmError } from '../../errors.ts';
import { connectToAgent } from '../agent-client.ts';
import type { DefineCommand } from '../command.ts';

const MOST_ADDRESSES = 6;

interface Options {
  readonly expires: string;
  readonly swarmKey?: string;
  readonly originCa?: string;
  readonly address: readonly string[];
}

export const define: DefineCommand = (command, context) => {
  command
    .description(
      "Prints a string with which another host joins the swarm: layerswarm token | ssh HOST layerswarm join -. It holds the swarm's key: who keeps it is as good as a member, also after the time in which join takes it.",
    )
    .option('--expires <duration>', 'how long join takes it, such as 30m or 7d; 0 for always', '24h')
    .option('--swarm-key <file>', 'key file (default: that of the configuration)')
    .option('--origin-ca <file>', 'CA certificates of the origin (default: those of the configuration)')
    .option('--address <multiaddr>', "a member's address instead of those that the agent knows; for each", collect, [] as readonly string[])
    .action(async (options: Options) => {
      const [{ loadConfig }, { readSwarmKey }, { parseDuration }, { encodeToken }] = await Promise.all([
        import('../../agent/config/config.ts'),
        import('../../swarm/network/swarm-key.ts'),
        import('../../quantity.ts'),
        import('../join/token.ts'),
      ]);
      const lifetime = parseDuration(options.expires);
      if (lifetime === undefined)
        throw new LayerswarmError('usage', `--expires: expected a duration such as 30m or 7d, received ${options.expires}`);
      const agent = await connectToAgent(context);
      const { multiaddrs, peers, origin, charter } = await agent.call('status', {});
      const config = await loadConfig({ flags: context.data === undefined ? {} : { data: context.data }, file: context.configFile });
      const file = options.swarmKey ?? config.swarmKey[0];
      if (file === undefined)
        throw new LayerswarmError(
          'usage',
          'this node has no swarm key in its configuration, so that there is nothing to join with: name the key file with --swarm-key',
        );
      await readSwarmKey(file);
      const ca = options.originCa ?? config.originCa;
      const own = multiaddrs.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address));
      // what this node dialled, others can dial too
      const others = peers
        .filter(({ direction, address }) => direction === 'outbound' && address.startsWith('/'))
        .map(({ address, peerId }) => (address.includes('/p2p/') ? address : `${address}/p2p/${peerId}`));
      const addresses =
        options.address.length > 0
          ? options.address
          : [...(own.length > 0 ? own : multiaddrs).slice(0, MOST_ADDRESSES / 2), ...others].slice(0, MOST_ADDRESSES);
      const expires = lifetime === 0 ? undefined : Math.floor((Date.now() + lifetime) / 1000);
      const token = encodeToken({
        key: await readFile(file),
        addresses,
        ...(origin.url?.startsWith('http') === true ? { origin: origin.url } : {}),
        ...(ca === undefined ? {} : { originCa: await readFile(ca, 'utf8') }),
        ...(charter === null ? {} : { charterKey: charter.key }),
        ...(expires === undefined ? {} : { expires }),
      });
      context.output.result(
        { token, addresses, origin: origin.url, expires: expires === undefined ? null : new Date(expires * 1000).toISOString() },
        (made) => made.token,
      );
    });
};

function collect(address: string, before: readonly string[]): readonly string[] {
  if (!address.startsWith('/')) throw new InvalidArgumentError('Expected a multiaddr such as /ip4/192.0.2.10/tcp/4001.');
  return [...before, address];
}
