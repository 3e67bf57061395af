import type { OriginHealth } from '../../origin/origin.ts';
import type { MembershipStatus, OriginStatus, StrangerStatus } from '../../status/status-document.ts';
import type { Peer } from '../../swarm/network/network.ts';
import { formatBytes } from '../../quantity.ts';
import type { DiskSpace } from './disk-watch.ts';
import { bad, degraded, type Finding, ok, unknown } from './finding.ts';
import type { StoreRefusal } from './store-health.ts';

/** Members find each other within seconds; a node that starts is not alone yet. */
const LOOKING_MS = 30_000;
const CLOCK_TOLERANCE_MS = 30_000;
/** File systems that count no inodes say 0. */
const FEW_INODES = 1000;

export function findOrigin({ url: address, name, source, state, reason, reachedAt }: OriginStatus): Finding {
  if (address === null) return bad(reason ?? 'no origin is known: name one with --origin on one node of the swarm');
  if (source === 'embedded')
    return state === 'conflict' ? degraded(reason ?? 'another origin is named in this swarm') : ok(`this node is the origin, ${name}`);
  const trouble = reason ?? state;
  const url = address.startsWith('embedded:') ? name : address;
  if (state === 'ok') return ok(`the origin ${url} answers`);
  if (reachedAt === null)
    return state === 'unknown'
      ? unknown(`the origin ${url} was not reached yet`)
      : bad(`the origin ${url} was not reached since this node started: ${trouble}`);
  return state === 'conflict' ? degraded(trouble) : bad(`the origin ${url} is ${state}: ${trouble}`);
}

/** Each mirror stands for itself: the others, and the origin, go on. */
export function findMirror(name: string, url: string, { state, reason, reachedAt }: OriginHealth): Finding {
  if (state === 'ok') return ok(`${name} at ${url} answers`);
  return state === 'unknown'
    ? unknown(`${name} at ${url} was not reached yet`)
    : degraded(
        `${name} at ${url} ${reachedAt === undefined ? 'was not reached since this node started' : `is ${state}`}: ${reason ?? state}`,
      );
}

export interface MembersSeen {
  readonly peers: readonly Pick<Peer, 'name'>[];
  /** Hosts that showed another key lately, the latest first. */
  readonly strangers: readonly StrangerStatus[];
  /** Those that lately gave far less than others did. */
  readonly slow: MembershipStatus['slow'];
  /** Of the own key. */
  readonly keyId: string | undefined;
  readonly uptimeMs: number;
}

export function findMembers({ peers, strangers, slow, keyId, uptimeMs }: MembersSeen): Finding {
  const [first, ...others] = strangers;
  const met =
    first === undefined
      ? ''
      : `a node at ${first.address} has another swarm key${others.length === 0 ? '' : `, and ${others.length} more have too`}`;
  if (peers.length > 0)
    return ok(
      `${peers.length} ${peers.length === 1 ? 'member is' : 'members are'} connected${[met, slowOnes(slow)].map((more) => (more === '' ? '' : `; ${more}`)).join('')}`,
    );
  if (met !== '') return bad(`no member is connected: ${met}; this node has ${keyId ?? 'none'}`);
  return uptimeMs < LOOKING_MS ? unknown('looking for members') : degraded('no member is connected: see --bootstrap');
}

function slowOnes([first, ...others]: MembershipStatus['slow']): string {
  if (first === undefined) return '';
  const { name, peerId, bytesPerSecond, othersBytesPerSecond } = first;
  const more = others.length === 0 ? '' : `, and ${others.length} more are slow`;
  const than = othersBytesPerSecond === null ? '' : ` where others give ${formatBytes(othersBytesPerSecond)}/s`;
  return `${name === '' ? peerId : name} is slow: it gives ${formatBytes(bytesPerSecond)}/s${than}${more}`;
}

/** `refusing`: why the store takes no new blobs, where it does not. */
export function findStore(space: DiskSpace | undefined, reserveBytes: number, folder: string, refusing?: StoreRefusal): Finding {
  if (space === undefined) return unknown('the disk was not looked at yet');
  if (space.kind === 'unreadable') return bad(`the disk of ${folder} cannot be read: ${space.reason}`);
  const { freeBytes, freeInodes } = space;
  const free = `${formatBytes(freeBytes)} free`;
  if (freeBytes < reserveBytes)
    return bad(
      `the disk of ${folder} has ${free}, below the reserve of ${formatBytes(reserveBytes)}: nothing new is kept, and images pass through from their registry; make room on it`,
    );
  if (freeInodes !== undefined && freeInodes < FEW_INODES)
    return bad(`the disk of ${folder} has only ${freeInodes} inodes left: remove files from it`);
  if (refusing !== undefined) return refusing.isFull ? degraded(refusing.reason) : bad(refusing.reason);
  if (freeBytes < 2 * reserveBytes)
    return degraded(`the disk of ${folder} has ${free}, close to the reserve of ${formatBytes(reserveBytes)}`);
  return ok(`the disk of ${folder} has ${free}`);
}

/** Against the middle of what the members' clocks say, else the origin's. */
export function findClock(peers: readonly Pick<Peer, 'name' | 'peerId' | 'clockAheadMs'>[], origin: number | undefined): Finding {
  const known = peers.flatMap(({ clockAheadMs }) => (clockAheadMs === undefined ? [] : [clockAheadMs])).sort((a, b) => a - b);
  const ahead = known.length === 0 ? origin : known[Math.floor((known.length - 1) / 2)];
  if (ahead === undefined) return unknown('there is no clock to compare with');
  const whose = known.length === 0 ? "the origin's" : "the members'";
  if (Math.abs(ahead) <= CLOCK_TOLERANCE_MS) return ok(`this host's clock agrees with ${whose}`);
  return degraded(
    `this host's clock is ${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'} ${whose}: let NTP set it`,
  );
}
