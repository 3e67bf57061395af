import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from '../../errors.ts';
import type { StatusDocument } from '../../status/status-document.ts';
import type { SwarmDocument, SwarmPullDetail } from '../../status/swarm-document.ts';
import type { SwarmSource } from '../../status/swarm-source.ts';
import type { Peer, PeerNetwork } from '../../swarm/network/network.ts';
import { askNext } from './ask-next.ts';
import { ImageCatalog } from './image-catalog.ts';
import { mergeSwarm, type Told } from './merge.ts';
import type { PullDetail } from './pull-summary.ts';
import { pullDetail } from './shown-pull.ts';
import type { Summary, WholeSummary } from './summary.ts';

/** Whether somebody is due is looked at this often, and so many are asked at once: of a few hundred members each three times a minute. */
const TURN_MS = 250;
const AT_ONCE = 4;
/** While some were not asked yet: who opens a page waits for them. */
const AT_ONCE_FIRST = 16;
const TIMEOUT_MS = 3000;
/** What was told is kept this long after the last who looked, for one who reloads the page. */
const KEPT_MS = 30_000;
/** Start times that differ by less are the same, measured at different moments. */
const SAME_START_MS = 5000;
/** Which nodes hold which images is put together anew this often. */
const IMAGES_MS = 2000;

export interface SwarmWatchOptions {
  readonly network: PeerNetwork;
  readonly status: () => Pick<StatusDocument, 'peerId' | 'name' | 'zone' | 'version' | 'membership' | 'registries' | 'origin' | 'health'>;
  /** What this node says of itself. */
  readonly own: () => WholeSummary;
  /** A pull of this node. */
  readonly ownPull: (id: string) => PullDetail;
}

interface Member {
  readonly peerId: string;
  readonly number: number;
  askedAt: number | undefined;
  isAsking: boolean;
  isBusy: boolean;
  answer: Told['answer'];
  /** Without images and pulls, which are kept apart. */
  summary: Summary | undefined;
  pulls: NonNullable<Summary['pulls']>;
  startedAt: number | null;
}

/**
 * The swarm as its members tell of themselves: they are asked while somebody looks, and not otherwise. What a member says is taken
 * within the limits of its message, counts for that member only, and goes when it leaves.
 */
export class SwarmWatch implements SwarmSource, Disposable {
  readonly #options: SwarmWatchOptions;
  readonly #members = new Map<string, Member>();
  #images = new ImageCatalog();
  #listed: { readonly at: number; readonly version: number; readonly images: SwarmDocument['images'] } | undefined;
  #ownImagesKey = '';
  #nextNumber = 1;
  #looking = 0;
  #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #forgetTimer: NodeJS.Timeout | undefined;
  readonly #unsubscribe: () => void;

  constructor(options: SwarmWatchOptions) {
    this.#options = options;
    this.#unsubscribe = options.network.onPeer((event, { peerId }) => {
      if (event === 'left') this.#forget(peerId);
    });
  }

  look(): () => void {
    this.#looking += 1;
    clearTimeout(this.#forgetTimer);
    this.#timer ??= setInterval(() => {
      this.#askSome();
    }, TURN_MS);
    this.#askSome();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#looking -= 1;
      if (this.#looking > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#forgetTimer = setTimeout(() => {
        this.#forgetAll();
      }, KEPT_MS).unref();
    };
  }

  async asked(): Promise<void> {
    const end = performance.now() + TIMEOUT_MS;
    const stop = this.look();
    try {
      const isWaiting = (): boolean => this.#current().some(({ answer }) => answer === 'asked');
      while (isWaiting() && performance.now() < end && !this.#stopping.signal.aborted) await delay(TURN_MS / 5);
    } finally {
      stop();
    }
  }

  document(): SwarmDocument {
    const { network, status, own } = this.#options;
    const summary = own();
    const self = this.#self();
    if (summary.imagesKey !== this.#ownImagesKey) {
      this.#ownImagesKey = summary.imagesKey;
      this.#images.set(self.number, summary.images);
    }
    const document = status();
    this.#startedAt(self, summary);
    const ownPart: Told = {
      node: { number: self.number, peerId: document.peerId, name: document.name, zone: document.zone, isSelf: true, latencyMs: null },
      answer: 'told',
      startedAt: self.startedAt,
      images: this.#images.countOf(self.number),
      summary,
      pulls: summary.pulls,
    };
    const others = network.peers().map((peer) => this.#told(peer, this.#member(peer.peerId)));
    return mergeSwarm({ status: document, told: [ownPart, ...others], images: this.#imageList(), now: Date.now() });
  }

  async pull(peerId: string, id: string): Promise<SwarmPullDetail> {
    const { network, ownPull } = this.#options;
    const told =
      peerId === network.self ? ownPull(id) : await network.request(peerId, { type: 'get-pull', id }, 'pull', { timeoutMs: TIMEOUT_MS });
    return pullDetail(peerId, { ...told, id }, Date.now());
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#stopping.abort();
    clearInterval(this.#timer);
    clearTimeout(this.#forgetTimer);
  }

  #current(): Member[] {
    return this.#options.network.peers().map(({ peerId }) => this.#member(peerId));
  }

  #askSome(): void {
    const members = this.#current();
    const count = members.some(({ askedAt }) => askedAt === undefined) ? AT_ONCE_FIRST : AT_ONCE;
    for (const member of askNext(members, count, performance.now())) void this.#ask(member);
  }

  /** Never throws. */
  async #ask(member: Member): Promise<void> {
    const { network } = this.#options;
    member.isAsking = true;
    member.askedAt = performance.now();
    const { summary: before } = member;
    try {
      const summary = await network.request(
        member.peerId,
        { type: 'get-summary', ...(before === undefined ? {} : { imagesKey: before.imagesKey, pullsKey: before.pullsKey }) },
        'summary',
        { timeoutMs: TIMEOUT_MS, signal: this.#stopping.signal },
      );
      if (this.#members.get(member.peerId) === member) this.#take(member, summary);
    } catch (error) {
      member.answer = errorCode(error) === 'unsupported' ? 'unable' : 'silent';
      member.isBusy = false;
    } finally {
      member.isAsking = false;
    }
  }

  #take(member: Member, { images, pulls, ...summary }: Summary): void {
    if (images !== undefined) this.#images.set(member.number, images);
    if (pulls !== undefined) member.pulls = pulls;
    member.summary = summary;
    member.answer = 'told';
    member.isBusy = summary.transferCount > 0 || summary.rates.sent > 0;
    this.#startedAt(member, summary);
  }

  #startedAt(member: Member, { uptimeMs }: Summary): void {
    const startedAt = Date.now() - uptimeMs;
    if (member.startedAt === null || Math.abs(member.startedAt - startedAt) > SAME_START_MS) member.startedAt = startedAt;
  }

  #told({ peerId, name, zone, latencyMs }: Peer, member: Member): Told {
    return {
      node: {
        number: member.number,
        peerId,
        name,
        zone,
        isSelf: false,
        latencyMs: latencyMs === undefined ? null : Math.round(latencyMs * 10) / 10,
      },
      answer: member.answer,
      startedAt: member.startedAt,
      images: this.#images.countOf(member.number),
      summary: member.answer === 'told' ? member.summary : undefined,
      pulls: member.pulls,
    };
  }

  #imageList(): SwarmDocument['images'] {
    const now = performance.now();
    if (this.#listed === undefined || (this.#listed.version !== this.#images.version && now - this.#listed.at >= IMAGES_MS))
      this.#listed = { at: now, version: this.#images.version, images: this.#images.list() };
    return this.#listed.images;
  }

  #self(): Member {
    return this.#member(this.#options.network.self);
  }

  #member(peerId: string): Member {
    const known = this.#members.get(peerId);
    if (known !== undefined) return known;
    const member: Member = {
      peerId,
      number: this.#nextNumber++,
      askedAt: undefined,
      isAsking: false,
      isBusy: false,
      answer: 'asked',
      summary: undefined,
      pulls: [],
      startedAt: null,
    };
    this.#members.set(peerId, member);
    return member;
  }

  #forget(peerId: string): void {
    const member = this.#members.get(peerId);
    if (member === undefined) return;
    this.#members.delete(peerId);
    this.#images.drop(member.number);
  }

  #forgetAll(): void {
    this.#members.clear();
    this.#images = new ImageCatalog();
    this.#listed = undefined;
    this.#ownImagesKey = '';
  }
}
