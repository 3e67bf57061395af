import type { DownloadLimits } from '../../src/swarm/exchange/core/limits.ts';

/** A host's line, in bytes a second, and what happens to the host, in ms. */
export interface HostScenario {
  readonly up: number;
  readonly down: number;
  /** When it begins to want the blob; it is a member of the swarm before that. */
  readonly arriveMs?: number;
  readonly dieMs?: number;
  /** When it stops, as with SIGSTOP: nobody is told, and nothing goes out any more. */
  readonly stopMs?: number;
  readonly zone?: number;
}

/** A crowd that wants one blob; rates in bytes a second, times in ms. */
export interface CrowdScenario {
  readonly size: number;
  readonly hosts: readonly HostScenario[];
  readonly originUp: number;
  /** From a request to the origin to its first byte. */
  readonly originDelayMs?: number;
  readonly latencyMs?: number;
  /** What joins each zone to the others, both ways each. The origin is in none. */
  readonly zoneRate?: number;
  /** When the member that hands out leases dies. */
  readonly coordinatorDiesMs?: number;
  /** Members that each one is connected to, at most. */
  readonly connections?: number;
  readonly limits?: Partial<DownloadLimits>;
  readonly seed?: number;
  readonly pieceLength?: number;
}

export interface CrowdResult {
  /** Seconds from a host's arrival to its last byte; undefined for one that died or never finished. */
  readonly seconds: readonly (number | undefined)[];
  /** Seconds from the first arrival to the last byte of the last host that lives. */
  readonly lastSeconds: number;
  readonly originCopies: number;
  /** Bytes received more than once, as a share of the blob, mean over hosts. */
  readonly duplicates: number;
  /** Times that sources were taken for silent, mean over hosts. */
  readonly silences: number;
  /** Control messages sent, and their bytes, mean over hosts. */
  readonly messages: number;
  readonly controlBytes: number;
  /** Control messages that the busiest host took in. */
  readonly mostMessages: number;
  /** Copies of the blob that went into the zone that took most. */
  readonly zoneCopies: number;
  readonly events: number;
}

/** The fluid bound, in seconds: nobody can have the blob earlier (Kumar and Ross 2006). */
export function fluidBound({ size, hosts, originUp }: CrowdScenario): number {
  const up = hosts.reduce((sum, host) => sum + host.up, 0);
  const down = hosts.reduce((least, host) => Math.min(least, host.down), Infinity);
  return Math.max(size / originUp, size / down, (hosts.length * size) / (originUp + up));
}

/**
 * How many times its bound each host took, undefined for one that died. Hosts of one rate are bounded by the origin, their own line, and what
 * all uplinks can give if only they are served; from a host's arrival on.
 */
export function timesBound(scenario: CrowdScenario, { seconds }: CrowdResult): (number | undefined)[] {
  const bounds = new Map<number, number>();
  const all = scenario.hosts.reduce((sum, { up }) => sum + up, scenario.originUp);
  for (const { down } of scenario.hosts) {
    if (bounds.has(down)) continue;
    const faster = scenario.hosts.filter((host) => host.down >= down && host.arriveMs === undefined).length;
    bounds.set(down, Math.max(scenario.size / scenario.originUp, scenario.size / down, (faster * scenario.size) / all));
  }
  return seconds.map((time, i) => (time === undefined ? undefined : time / bounds.get(scenario.hosts[i]!.down)!));
}
