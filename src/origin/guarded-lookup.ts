import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { LayerswarmError } from '../errors.ts';
import { reachOf, type Reach } from './reach.ts';

/** Says which addresses a connection may go to, by how far they lead. */
export type Admits = (reach: Reach, host: string, address: string) => boolean;

/** Where a registry at `url` may lead this node; its own host, where the configuration names it, is where it is meant to be. */
export function admittedBy(url: URL, isNamed: boolean, redirects: readonly string[]): (reach: Reach, host: string) => boolean {
  const isLocal = reachOf(url.hostname) === 'loopback';
  return (reach, host) => reach === 'network' || (reach === 'loopback' && isLocal) || (isNamed && host === url.hostname) || redirects.includes(host);
}

/** Name resolution that gives only what `admits` lets through: a name may lead anywhere, and somewhere else at each question. */
export function guardedLookup(admits: Admits, lookup: typeof systemLookup = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
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

/** @throws LayerswarmError `origin-denied` for a host that says by itself where it leads */
export function checkHost(host: string, admits: Admits): void {
  if (!admits(reachOf(host), host, host)) throw refusal(host, host);
}

function refusal(host: string, address: string): LayerswarmError {
  const where = host === address ? host : `${host} (${address})`;
  return new LayerswarmError('origin-denied', `${where} is this host itself or on its own wire, where registries and members lead nobody; if that is meant, name it in allow.redirects`);
}
