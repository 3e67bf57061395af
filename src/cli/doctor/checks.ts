import { lookup } from 'node:dns/promises';
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { lookIntoFiles } from '../../agent/config/config-files.ts';
import type { AgentConfig } from '../../agent/config/config.ts';
import { DiskWatch } from '../../agent/health/disk-watch.ts';
import { findStore } from '../../agent/health/findings.ts';
import { RuntimeWatch } from '../../agent/health/runtime-watch.ts';
import type { HealthLevel, StatusDocument } from '../../status/status-document.ts';
import { RESERVE_BYTES } from '../../store/store.ts';

/** What one look found: `sentence` says what is there, or what is wrong and what to do. */
export interface Check {
  readonly check: string;
  readonly level: HealthLevel;
  readonly sentence: string;
}

const MDNS_GROUP = '224.0.0.251';
const MDNS_PORT = 5353;
const DNS_TIMEOUT_MS = 5000;

/** What can be looked at whether or not an agent runs. */
export async function checkHost(config: AgentConfig): Promise<Check[]> {
  const { problems, warnings } = await lookIntoFiles(config);
  const disk = new DiskWatch(config.data, RESERVE_BYTES);
  const runtimes = new RuntimeWatch(join(config.data, 'setup'));
  const [names, mdns] = await Promise.all([
    checkNames(config),
    config.mdns && (config.swarmKey.length > 0 || config.open) ? checkMulticast() : undefined,
    disk.look(),
    runtimes.look(),
  ]);
  const files = [
    ...problems.map((sentence): Check => ({ check: 'files', level: 'bad', sentence })),
    ...warnings.map((sentence): Check => ({ check: 'files', level: 'degraded', sentence })),
  ];
  return [
    ...(files.length > 0 ? files : [{ check: 'files', level: 'ok', sentence: 'key, CA and password files can be read' } as const]),
    ...(config.swarmKey.length === 0 && !config.open
      ? [
          {
            check: 'key',
            level: 'degraded',
            sentence: 'there is no swarm key, so that this node is alone on loopback: make one with "layerswarm key FILE"',
          } as const,
        ]
      : []),
    { check: 'disk', ...findStore(disk.space, RESERVE_BYTES, config.data) },
    ...names,
    ...(mdns === undefined ? [] : [mdns]),
    { check: 'runtimes', ...runtimes.find() },
  ];
}

/** What a running agent knows of itself and its members. */
export function checkAgent(status: StatusDocument): Check[] {
  const {
    health: { parts },
    peers,
    version,
  } = status;
  const own = `layerswarm/${version}`;
  const others = [...new Set(peers.map(({ agent }) => agent))].filter((agent) => agent !== own);
  return [
    ...Object.entries(parts).map(([check, { level, sentence }]): Check => ({ check, level, sentence })),
    ...(peers.length === 0
      ? []
      : [
          others.length === 0
            ? ({ check: 'versions', level: 'ok', sentence: `all members run ${own}` } as const)
            : ({
                check: 'versions',
                level: 'degraded',
                sentence: `this node runs ${own}, and members run ${others.slice(0, 5).join(', ')}: update all to one`,
              } as const),
          checkListenPort(status),
          checkBulkPort(status),
        ]),
    checkKey(status),
  ];
}

/** Of the agent, which may have been given another key than the configuration that was found here. */
function checkKey({
  membership: {
    keyIds,
    strangers: [stranger],
  },
  multiaddrs,
}: StatusDocument): Check {
  if (stranger !== undefined)
    return {
      check: 'key',
      level: 'degraded',
      sentence: `a node at ${stranger.address} has another swarm key than this one (${keyIds[0] ?? 'none'}): if it is one of yours, give both the same file`,
    };
  if (keyIds.length > 0) return { check: 'key', level: 'ok', sentence: `this node has swarm key ${keyIds.join(' and ')}` };
  const isAlone = multiaddrs.every((address) => /^\/ip[46]\/(?:127\.|::1\/)/.test(address));
  return {
    check: 'key',
    level: 'degraded',
    sentence: `there is no swarm key, so that ${isAlone ? 'this node is alone on loopback' : 'whoever reaches this node is a member'}: make one with "layerswarm key FILE"`,
  };
}

/** A member that dialled this node proves it; where none did, that may be chance. */
function checkListenPort({ peers, multiaddrs }: StatusDocument): Check {
  const inbound = peers.filter(({ direction }) => direction === 'inbound').length;
  if (inbound > 0) return { check: 'listen port', level: 'ok', sentence: `${inbound} of ${peers.length} members reached it by themselves` };
  return {
    check: 'listen port',
    level: 'unknown',
    sentence: `no member came in by itself, all were dialled from here: see that the firewall lets members reach ${/\/tcp\/(\d+)/.exec(multiaddrs[0] ?? '')?.[0] ?? 'the listen port'}`,
  };
}

function checkBulkPort({ peers }: StatusDocument): Check {
  const count = (lane: 'tls' | 'stream'): number => peers.filter((peer) => peer.lane === lane).length;
  if (count('tls') > 0) return { check: 'bulk port', level: 'ok', sentence: `${count('tls')} fast lanes are open` };
  if (count('stream') > 0)
    return {
      check: 'bulk port',
      level: 'degraded',
      sentence: 'blobs go over the slower listen port: see that the firewall lets members reach the bulk port (4002)',
    };
  return { check: 'bulk port', level: 'unknown', sentence: 'no blob was exchanged yet, so that no lane was tried' };
}

async function checkNames({ origin, bootstrap, upstreams }: AgentConfig): Promise<Check[]> {
  const urls = [...(origin.startsWith('http') ? [origin] : []), ...upstreams.map(({ url }) => url)].map((url) =>
    new URL(url).hostname.replace(/^\[|\]$/g, ''),
  );
  const members = bootstrap.flatMap(
    (address) =>
      /^(?:\/dns[46]?\/([^/]+)|(?:dns:)?([A-Za-z0-9._-]+)(?::\d+)?$)/
        .exec(address)
        ?.slice(1)
        .filter((name) => name !== undefined) ?? [],
  );
  const names = [...new Set([...urls, ...members])].filter((name) => isIP(name) === 0);
  return await Promise.all(
    names.map(async (name): Promise<Check> => {
      try {
        const { address } = await Promise.race([
          lookup(name),
          new Promise<never>((_, reject) => {
            setTimeout(() => {
              reject(new Error('no answer'));
            }, DNS_TIMEOUT_MS).unref();
          }),
        ]);
        return { check: 'DNS', level: 'ok', sentence: `${name} is ${address}` };
      } catch (error) {
        return {
          check: 'DNS',
          level: 'bad',
          sentence: `${name} cannot be resolved (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}): check the name and the name server`,
        };
      }
    }),
  );
}

/** Whether this host can join the group that members announce themselves in. */
async function checkMulticast(): Promise<Check> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  socket.once('error', reject).bind(MDNS_PORT, () => {
    resolve(undefined);
  });
  try {
    await promise;
    socket.addMembership(MDNS_GROUP);
    return { check: 'mDNS', level: 'ok', sentence: 'this host can join multicast DNS' };
  } catch (error) {
    return {
      check: 'mDNS',
      level: 'degraded',
      sentence: `this host cannot join multicast DNS (${(error as NodeJS.ErrnoException).code ?? String(error)}): name a member with --bootstrap, or say --no-mdns`,
    };
  } finally {
    socket.close();
  }
}
