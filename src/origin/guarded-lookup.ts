import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { LayerswarmError } from '../errors.ts';
import { reachOf, type Reach } from './reach.ts';

/** Says which addresses a connection may go to, by how far they lead. */
export type Admits = (reach: Reach, host: string, address: string) => boolean;

/** Where a registry at `url` may lead this node; its own host, where the configuration names it, is where it is meant to be. */
export function admittedBy(url: URL, isNamed: boolean, redirects: readonly string[]): (reach: Reach, host: string) => boolean {
  const isLocal = reachOf(url.hostname) === 'loopback';
  return (reach, host) =>
    reach === 'network' || (reach === 'loopback' && isLocal) || (isNamed && host === url.hostname) || redirects.includes(host);
}

/** Milliseconds that a name server has to answer for a name whose addresses are known from before. */
const PATIENCE_MS = 500;
/** Milliseconds for which they are good while no name server answers. */
const REMEMBERED_MS = 24 * 3_600_000;
const MAX_REMEMBERED = 256;

/**
 * Name resolution that gives only what `admits` lets through: a name may lead anywhere, and somewhere else at each question. While the name
 * servers are silent it gives what they said last.
 */
export function guardedLookup(admits: Admits, lookup: typeof systemLookup = systemLookup): LookupFunction {
  const ask = rememberingLookup(lookup);
  return (hostname, options, callback) => {
    ask(hostname, options, (error, found) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const admitted = found.filter(({ address }) => admits(reachOf(address), hostname, address));
      const [first] = admitted;
      if (first === undefined) callback(refusal(hostname, found[0]?.address ?? 'nowhere'), []);
      else if (options.all === true) callback(null, admitted);
      else callback(null, first.address, first.family);
    });
  };
}

type Answered = (error: NodeJS.ErrnoException | null, found: readonly LookupAddress[]) => void;

/** One question for a name at a time: each of a silent name server keeps a thread of the pool for as long as that is silent. */
function rememberingLookup(lookup: typeof systemLookup): (hostname: string, options: LookupOptions, answered: Answered) => void {
  const remembered = new Map<string, { readonly found: readonly LookupAddress[]; readonly at: number }>();
  const asking = new Map<string, Set<Answered>>();
  const known = (key: string): readonly LookupAddress[] | undefined => {
    const entry = remembered.get(key);
    return entry !== undefined && performance.now() - entry.at < REMEMBERED_MS ? entry.found : undefined;
  };
  const remember = (key: string, found: readonly LookupAddress[]): void => {
    remembered.delete(key);
    remembered.set(key, { found, at: performance.now() });
    if (remembered.size > MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
  };
  const question = (key: string, hostname: string, options: LookupOptions): Set<Answered> => {
    const waiting = new Set<Answered>();
    asking.set(key, waiting);
    lookup(hostname, { ...options, all: true }, (error, found) => {
      asking.delete(key);
      if (error === null) remember(key, found);
      else if (error.code === 'ENOTFOUND') remembered.delete(key);
      const before = known(key);
      for (const answered of waiting) answered(before === undefined ? error : null, before ?? found);
    });
    return waiting;
  };
  return (hostname, options, answered) => {
    const key = JSON.stringify([hostname, options.family, options.hints]);
    const waiting = asking.get(key) ?? question(key, hostname, options);
    const before = known(key);
    if (before === undefined) {
      waiting.add(answered);
      return;
    }
    const once: Answered = (error, found) => {
      clearTimeout(timer);
      waiting.delete(once);
      answered(error, found);
    };
    const timer = setTimeout(once, PATIENCE_MS, null, before);
    waiting.add(once);
  };
}

/** @throws LayerswarmError `origin-denied` for a host that says by itself where it leads */
export function checkHost(host: string, admits: Admits): void {
  if (!admits(reachOf(host), host, host)) throw refusal(host, host);
}

function refusal(host: string, address: string): LayerswarmError {
  const where = host === address ? host : `${host} (${address})`;
  return new LayerswarmError(
    'origin-denied',
    `${where} is this host itself or on its own wire, where registries and members lead nobody; if that is meant, name it in allow.redirects`,
  );
}
