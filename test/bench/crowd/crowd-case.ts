/** Rates in bits a second, headers included, or infinite; times in units of the case's fluid bound. */
export interface CrowdHost {
  readonly rate: number;
  readonly arriveAt?: number;
  readonly dieAt?: number;
}

export type System = 'layerswarm' | 'http' | 'mirror' | 'aria2';

export interface CrowdCase {
  readonly name: string;
  readonly hosts: readonly CrowdHost[];
  readonly originRate: number;
  /** From a request to the origin to the first byte of its answer. */
  readonly originDelayMs?: number;
  readonly payload: 'blob' | 'image';
  /** Index of the host that hands out the leases; without it that is any. */
  readonly coordinator?: number;
  /** Kills the host that hands out the leases, in units of the bound. */
  readonly coordinatorDiesAt?: number;
  /** Which others run the same case. */
  readonly beside: readonly Exclude<System, 'layerswarm'>[];
}

export function hostsLike(count: number, rate: number): CrowdHost[] {
  return Array.from({ length: count }, () => ({ rate }));
}

/** Seconds: nobody can have `bytes` earlier, whatever they do (Kumar and Ross 2006). */
export function fluidBound({ hosts, originRate }: CrowdCase, bytes: number): number {
  const bits = bytes * 8;
  const uplinks = hosts.reduce((sum, { rate }) => sum + rate, 0);
  return Math.max(bits / originRate, bits / Math.max(...hosts.map(({ rate }) => rate)), (hosts.length * bits) / (originRate + uplinks));
}

/**
 * The earliest, in seconds after its arrival, that one host can have `bytes`: the time that its own line and the origin's take,
 * and, when hosts arrive one after another, that of the uplinks that are there. A host that dies takes its uplink with it, and what
 * it got needs no counting.
 */
export function fluidBoundOf(crowd: CrowdCase, host: CrowdHost, bytes: number): number {
  const bits = bytes * 8;
  const bound = fluidBound(crowd, bytes);
  const arrived = (host.arriveAt ?? 0) * bound;
  const others = crowd.hosts.some(({ arriveAt }) => (arriveAt ?? 0) > 0);
  const alone = Math.max(bits / host.rate, bits / crowd.originRate - arrived);
  return others ? alone : Math.max(alone, sharedBound(crowd, host, bits));
}

/** Everybody starts together: hosts no slower than this one all have their bytes, through the uplinks of all. */
function sharedBound({ hosts, originRate }: CrowdCase, { rate }: CrowdHost, bits: number): number {
  const asFast = hosts.filter((other) => other.rate >= rate && other.dieAt === undefined).length;
  const uplinks = hosts.reduce((sum, other) => sum + other.rate, 0);
  return (asFast * bits) / (originRate + uplinks);
}
