import { isEmbeddedRegistry } from '../origin/origin-name.ts';
import { reachOf } from '../origin/reach.ts';
import { parseTcpAddress } from './network/address.ts';
import type { Announcements, OriginAnnouncement, Peer, PeerNetwork } from './network/network.ts';
import { embeddedOriginPeer } from './member-origin.ts';

/** Which origin this swarm has, as far as this node knows. */
export interface OriginState {
  /** What this node uses; undefined while it knows none, or cannot choose. */
  readonly current: OriginAnnouncement | undefined;
  /** Origins that contradict each other, the one that is used included: sorted. */
  readonly conflict: readonly string[] | undefined;
  /** One line for a person, when something is wrong. */
  readonly reason: string | undefined;
}

/** What a node keeps on disk of the origin that members told it. */
export interface OriginRecord {
  /** The one that was heard first; undefined where several were heard before one had settled. */
  readonly url: string | undefined;
  /** Milliseconds since the epoch: when it was heard first. */
  readonly learnedAt: number;
  /** Those that were heard while none had settled: none of them is used until an operator says which. */
  readonly contested: readonly string[];
  /** What the node that holds it calls it, where it is embedded in one and has said so. */
  readonly name?: string | undefined;
}

export interface OriginDirectoryOptions {
  /** The URL of this node's own configuration; undefined for `auto`. */
  readonly configured?: string | undefined;
  /** What this node calls the origin that is embedded in it. */
  readonly name?: string | undefined;
  /** What was learned in an earlier run. */
  readonly record?: OriginRecord | undefined;
  /** Called when there is more to keep than before. */
  readonly onRecord?: (record: OriginRecord) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** What an operator said of the origin, as against what members say. */
export interface OperatorsWord {
  /** Of this node's configuration. */
  readonly configured?: string | undefined;
  /** Of the charter. */
  readonly charter?: string | undefined;
  /** What this node calls its own origin, where it holds one. */
  readonly name?: string | undefined;
}

type Member = Pick<Peer, 'peerId' | 'origin' | 'address'>;

/**
 * Until then a learned origin is given up when a member names another: a new node that met a liar first must not serve what
 * it says. Afterwards it stays whatever members say.
 */
export const SETTLED_AFTER_MS = 600_000;
const MAX_CONTESTED = 8;
const UNKNOWN: OriginRecord = { url: undefined, learnedAt: 0, contested: [] };

/**
 * Knows the origin: the one that the operator said, else the first that a member told, which is kept. Any member may lie, so the word of
 * one never replaces an origin that is in use; a contradiction is an error that the operator is shown.
 */
export class OriginDirectory {
  readonly #network: PeerNetwork & Announcements;
  readonly #configured: string | undefined;
  readonly #name: string | undefined;
  readonly #onRecord: (record: OriginRecord) => void;
  readonly #now: () => number;
  readonly #listeners = new Set<(state: OriginState) => void>();
  readonly #unsubscribe: () => void;
  #charter: string | undefined;
  #record: OriginRecord;
  #state: OriginState = { current: undefined, conflict: undefined, reason: undefined };

  constructor(network: PeerNetwork & Announcements, options: OriginDirectoryOptions = {}) {
    this.#network = network;
    this.#configured = normalized(options.configured);
    this.#name = options.name;
    this.#record = options.record ?? UNKNOWN;
    this.#onRecord = options.onRecord ?? (() => undefined);
    this.#now = options.now ?? Date.now;
    network.handle('origin-changed', () => {
      this.#update();
      return undefined;
    });
    this.#unsubscribe = network.onPeer(() => {
      this.#update();
    });
    this.#update();
  }

  get state(): OriginState {
    return this.#state;
  }

  /** The origin that the charter names; undefined where it names none. */
  setCharter(url: string | undefined): void {
    this.#charter = normalized(url);
    this.#update();
  }

  /** Returns the unsubscribe function. */
  onChange(listener: (state: OriginState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#unsubscribe();
    this.#listeners.clear();
  }

  #update(): void {
    const said = { configured: this.#configured, charter: this.#charter, name: this.#name };
    const { state: next, record } = chooseOrigin(said, this.#record, this.#network.peers(), this.#now());
    if (record !== this.#record) {
      this.#record = record;
      this.#onRecord(record);
    }
    const before = this.#state;
    if (sameOrigin(before.current, next.current) && before.reason === next.reason) return;
    this.#state = next;
    if (!sameOrigin(before.current, next.current)) this.#network.announceOrigin(announced(next.current));
    for (const listener of this.#listeners) listener(next);
  }
}

/** Pure: what this node uses, and what it keeps of it, by what its operator said, by what it learned before, and by what its members say. */
export function chooseOrigin(
  said: OperatorsWord,
  record: OriginRecord,
  members: readonly Member[],
  now: number,
): { state: OriginState; record: OriginRecord } {
  const names = namesOf(said, record, members);
  const { current, heard, record: keep } = choose(said, record, members, now);
  const name = keep.url === undefined ? undefined : names.get(keep.url);
  return { state: stateOf(current, heard, names), record: name === keep.name ? keep : { ...keep, name } };
}

interface Choice {
  readonly current: OriginAnnouncement | undefined;
  /** Those that were named, also the one that is used. */
  readonly heard: readonly string[];
  readonly record: OriginRecord;
}

function choose(said: OperatorsWord, record: OriginRecord, members: readonly Member[], now: number): Choice {
  const heard = [...new Set(members.flatMap(({ origin, address }) => credible(normalized(origin?.url), address) ?? []))].sort();
  const operators = operatorsChoice(said);
  if (operators !== undefined) {
    const { url } = operators;
    // whoever says otherwise than the charter is behind, which is no contradiction
    const others = url.startsWith('embedded:')
      ? [...heard, ...(said.charter === undefined ? [] : [said.charter])]
      : said.charter === undefined
        ? heard
        : [];
    // from now on this is what the node knows, also where the word is taken back
    const keep =
      url.startsWith('embedded:') || (record.url === url && record.contested.length === 0) ? record : { url, learnedAt: 0, contested: [] };
    return { current: operators, heard: others, record: keep };
  }
  if (record.contested.length > 0) {
    const contested = merged([...record.contested, ...heard]);
    return {
      current: undefined,
      heard: contested,
      record: contested.length === record.contested.length ? record : { ...record, contested },
    };
  }
  const known = record.url === undefined ? heard : merged([record.url, ...heard]);
  const isSettled = record.url !== undefined && now - record.learnedAt >= SETTLED_AFTER_MS;
  if (known.length > 1 && !isSettled)
    return { current: undefined, heard: known, record: { url: undefined, learnedAt: 0, contested: known } };
  const url = record.url ?? known[0];
  const keep = url === undefined || record.url !== undefined ? record : { url, learnedAt: now, contested: [] };
  return { current: url === undefined ? undefined : { url, source: 'learned' }, heard: known, record: keep };
}

/** What the nodes that hold origins call them, by URL: the word of anybody else would let one member rename another's. */
function namesOf(said: OperatorsWord, record: OriginRecord, members: readonly Member[]): ReadonlyMap<string, string> {
  const kept = record.url === undefined || record.name === undefined ? [] : [[record.url, record.name] as const];
  const told = members.flatMap(({ peerId, origin }) =>
    origin?.name === undefined || embeddedOriginPeer(origin.url) !== peerId ? [] : [[origin.url, origin.name] as const],
  );
  const own = said.configured === undefined || said.name === undefined ? [] : [[said.configured, said.name] as const];
  return new Map([...kept, ...told, ...own]);
}

/** To members: the name only by the node that holds it. */
function announced(current: OriginAnnouncement | undefined): OriginAnnouncement | undefined {
  return current?.source === 'learned' ? { url: current.url, source: 'learned' } : current;
}

/** A charter outranks the configuration, which names the key that signed it; but what a node holds as embedded origin is here. */
function operatorsChoice({ configured, charter }: OperatorsWord): OriginAnnouncement | undefined {
  const url = configured?.startsWith('embedded:') === true ? configured : (charter ?? configured);
  return url === undefined ? undefined : { url, source: 'configured' };
}

/** A member elsewhere that names a port of this host, or of the wire that this host is on, would have this node knock there. */
function credible(url: string | undefined, teller: string): string | undefined {
  const reach = url === undefined || url.startsWith('embedded:') ? 'network' : reachOf(new URL(url).hostname);
  return reach === 'network' || reach === reachOf(parseTcpAddress(teller)?.host ?? '') ? url : undefined;
}

function stateOf(current: OriginAnnouncement | undefined, heard: readonly string[], names: ReadonlyMap<string, string>): OriginState {
  const all = merged([...(current === undefined ? [] : [current.url]), ...heard]);
  const conflict = all.length > 1 ? all : undefined;
  const name = current === undefined ? undefined : names.get(current.url);
  return {
    current: current === undefined || name === undefined ? current : { ...current, name },
    conflict,
    reason: reasonOf(current, conflict, names),
  };
}

function merged(urls: readonly string[]): string[] {
  return [...new Set(urls)].slice(0, MAX_CONTESTED).sort();
}

/** The form in which origins are compared; undefined for what is no origin, or carries a password. */
export function normalizeOriginUrl(text: string): string | undefined {
  const peerId = embeddedOriginPeer(text);
  if (peerId !== undefined) return /^[a-zA-Z0-9]{20,128}$/.test(peerId) ? text : undefined;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (
    !['http:', 'https:'].includes(url.protocol) ||
    isEmbeddedRegistry(url.hostname) ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  )
    return undefined;
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function normalized(text: string | undefined): string | undefined {
  return text === undefined ? undefined : normalizeOriginUrl(text);
}

function sameOrigin(a: OriginAnnouncement | undefined, b: OriginAnnouncement | undefined): boolean {
  return a?.url === b?.url && a?.source === b?.source && a?.name === b?.name;
}

function reasonOf(
  current: OriginAnnouncement | undefined,
  conflict: readonly string[] | undefined,
  names: ReadonlyMap<string, string>,
): string | undefined {
  if (conflict !== undefined) {
    const called = (url: string): string => (names.has(url) ? `${url} called ${names.get(url)!}` : url);
    const using = current === undefined ? 'this node uses none of them until one is given to it' : `this node uses ${current.url}`;
    const remedy =
      conflict.filter((url) => url.startsWith('embedded:')).length > 1
        ? 'one node of a swarm may hold its origin (--origin embedded): start the others without'
        : 'give all nodes the same --origin, and see who names the other';
    return `different origins are named in this swarm (${conflict.map(called).join(', ')}): ${using}; ${remedy}`;
  }
  return current === undefined ? 'no origin is known yet: no member has told one; give one (--origin)' : undefined;
}
