import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errorCode, LayerswarmError } from '../../errors.ts';
import { connectToAgent } from '../agent-client.ts';
import type { CommandContext, DefineCommand } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';

const SYSTEM_CONFIG = '/etc/layerswarm/layerswarm.yaml';
const UNIT = 'layerswarm.service';
const POLL_MS = 300;

interface Options {
  readonly tokenFile?: string;
  readonly start: boolean;
  readonly wait: boolean;
  readonly timeout: string;
}

export const define: DefineCommand = (command, context) => {
  command
    .argument('[token]', 'what "layerswarm token" printed on a member, or - to read it from standard input')
    .description(
      'Makes this host a member of a swarm: writes its key and configuration, starts its unit or says how to start the agent, and ends when the node is in and has its origin, with what "layerswarm doctor" finds wrong.',
    )
    .option('--token-file <file>', 'file that holds the token')
    .option('--no-start', 'do not start the unit')
    .option('--no-wait', 'end when the files are written')
    .option('--timeout <duration>', 'how long to wait for the node to be in', '5m')
    .action(async (argument: string | undefined, options: Options) => {
      // Node writes over its command line, which others on this host can read
      process.title = 'layerswarm join';
      const [{ decodeToken }, { writeMembership }, { parseDuration }, { dataDirectory }] = await Promise.all([
        import('../join/token.ts'),
        import('../join/write-membership.ts'),
        import('../../quantity.ts'),
        import('../../agent/config/data-directory.ts'),
      ]);
      const limit = parseDuration(options.timeout);
      if (limit === undefined) throw new LayerswarmError('usage', `--timeout: expected a duration such as 5m, received ${options.timeout}`);
      const token = decodeToken(await readToken(argument, options.tokenFile), Date.now());
      const given = context.configFile ?? process.env['LAYERSWARM_CONFIG'];
      const config = resolve(given ?? SYSTEM_CONFIG);
      const written = await writeMembership(
        token,
        config,
        await dataDirectory({ flag: context.data, file: existsSync(config) ? config : undefined }),
      );
      const started = options.start && config === SYSTEM_CONFIG && (await startUnit());
      if (!started)
        context.output.diagnostic(
          `${written.config} is ready: start the node with "layerswarm agent${config === SYSTEM_CONFIG ? '' : ` --config ${config}`}"${options.wait ? '; waiting for it' : ''}`,
        );
      const node = options.wait ? await untilIn(context, config, limit) : null;
      const checks = node === null ? [] : await (await import('../doctor/look.ts')).lookAtNode({ ...context, configFile: config });
      const { formatChecks } = await import('../doctor/format-checks.ts');
      context.output.result({ ...written, started, node, checks }, (joined) =>
        joined.node === null
          ? `${joined.config}: written, with swarm key ${joined.keyId}`
          : [
              `this host is a member with swarm key ${joined.keyId}: ${joined.node.peers} peers, origin ${joined.node.origin}`,
              ...joined.checks.filter(({ level }) => level !== 'ok').map((check) => formatChecks([check])),
            ].join('\n'),
      );
    });
};

/** The launcher takes a token out of the command line into the environment, which only this user and root can read. */
async function readToken(argument: string | undefined, file: string | undefined): Promise<string> {
  const hidden = process.env['LAYERSWARM_TOKEN'];
  delete process.env['LAYERSWARM_TOKEN'];
  if (file !== undefined) {
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      throw new LayerswarmError('usage', `--token-file: expected a file that can be read, received ${file}`, { cause: error });
    }
  }
  if (argument !== undefined && argument !== '-') return argument;
  return hidden ?? (await text(process.stdin));
}

/** False where there is no such unit. @throws `unavailable` where it does not start */
async function startUnit(): Promise<boolean> {
  if (!existsSync('/run/systemd/system')) return false;
  const systemctl = async (...args: string[]): Promise<unknown> => await promisify(execFile)('systemctl', args);
  try {
    await systemctl('cat', UNIT);
  } catch {
    return false;
  }
  try {
    await systemctl('enable', '--quiet', UNIT);
    await systemctl('restart', UNIT);
    return true;
  } catch (error) {
    throw new LayerswarmError('unavailable', `${UNIT} does not start: see journalctl --unit ${UNIT}`, { cause: error });
  }
}

async function untilIn(
  context: CommandContext,
  configFile: string,
  limit: number,
): Promise<{ readonly peerId: string; readonly peers: number; readonly origin: string }> {
  const signal = onInterrupt();
  const end = performance.now() + limit;
  let missing = 'no agent answers';
  while (performance.now() < end) {
    signal.throwIfAborted();
    try {
      const { peerId, peers, origin } = await (
        await connectToAgent({ output: context.output, debug: context.debug, data: context.data, configFile })
      ).call('status', {});
      if (peers.length > 0 && origin.state === 'ok' && origin.url !== null) return { peerId, peers: peers.length, origin: origin.url };
      missing =
        peers.length === 0
          ? 'it has met no member: can the addresses in bootstrap be reached, and is the key the same?'
          : `its origin is ${origin.state}${origin.reason === null ? '' : `: ${origin.reason}`}`;
    } catch (error) {
      if (errorCode(error) !== 'agent-unreachable') throw error;
    }
    await delay(POLL_MS, undefined, { signal });
  }
  throw new LayerswarmError('timeout', `the node is not in yet: ${missing}`);
}
