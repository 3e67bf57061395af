import type { SwarmPull, SwarmPullBlob, SwarmPullDetail } from '../swarm-document.ts';
import { el } from './dom.ts';
import { count, duration, percent, rate, shortDigest, size } from './format.ts';
import type { Marks } from './marks.ts';
import type { Model } from './model.ts';
import { legendOf, makeStrip, updateStrip, updateStripOfBlob } from './strip.ts';

const MAX_BLOBS = 8;

/** Where the time of a pull went: the verdict, then figures. It is asked for when somebody opens it, of the node that pulled. */
export class Why {
  readonly #model: Model;
  readonly #marks: Marks;

  constructor(model: Model, marks: Marks) {
    this.#model = model;
    this.#marks = marks;
  }

  show(element: HTMLElement, pull: SwarmPull): void {
    if (element.childElementCount > 0) return;
    element.append(
      el('p', { class: 'verdict' }, pull.verdict === '' ? 'nothing is known of where its time went' : pull.verdict),
      el('p', { class: 'soft', attributes: { role: 'status' } }, 'asking the node that pulled it …'),
    );
    void this.#load(element, pull);
  }

  async #load(element: HTMLElement, { node, id }: SwarmPull): Promise<void> {
    let rest: readonly Node[];
    try {
      const response = await fetch(`/api/v1/swarm/pulls/${encodeURIComponent(node)}/${encodeURIComponent(id)}`);
      const answer = (await response.json()) as SwarmPullDetail | { readonly error: string };
      rest = 'phases' in answer ? this.#figures(answer) : [el('p', { class: 'soft' }, `No figures: ${answer.error}`)];
    } catch {
      rest = [el('p', { class: 'soft' }, 'No figures: this node does not answer.')];
    }
    const verdict = element.firstElementChild;
    // closed meanwhile
    if (verdict === null) return;
    element.replaceChildren(verdict, ...rest);
  }

  #figures(pull: SwarmPullDetail): Node[] {
    const { sources, seconds, phases, blobs, blobCount } = pull;
    const names = new Map(sources.map(({ source, name }) => [source, name]));
    const nameOf = (source: string): string => {
      const said = names.get(source) ?? '';
      return said === '' ? this.#model.nameOf(source) : said;
    };
    const given = { sources, haveBytes: pull.bytes, sizeBytes: pull.bytes };
    const stripOfBlob = (parts: readonly number[]): HTMLElement => {
      const strip = makeStrip();
      updateStripOfBlob(strip, parts, sources, this.#marks, nameOf);
      return strip;
    };
    const listed = blobs.slice(0, MAX_BLOBS);
    const facts: [string, string][] = [
      ...(pull.error === null ? [] : [['Error', pull.error] as [string, string]]),
      ['First byte', pull.firstByteSeconds === null ? 'none came' : `after ${duration(pull.firstByteSeconds)}`],
      ['Waited', duration(pull.waitedSeconds)],
      ['Checked', duration(pull.verifySeconds)],
      ['Speed', seconds > 0 ? rate((pull.fromOriginBytes + pull.fromPeersBytes) / seconds) : '–'],
      ['Was here', size(pull.fromStoreBytes)],
      ['Stalls, retries', `${pull.stalls}, ${pull.retries}`],
      ['Digests', pull.verified ? 'every byte checked' : 'not checked'],
      ...(pull.stale ? [['Tag', 'from memory: the origin could not be asked'] as [string, string]] : []),
      ['Pull', pull.id],
    ];
    return [
      // of a pull that an older version made only the shares are known
      ...(listed.some(({ strip }) => strip.length > 0) ? [] : [this.#shares(given, nameOf)]),
      el('ul', { class: 'legend', attributes: { role: 'list' } }, ...legendOf(given, this.#marks, nameOf)),
      el('dl', { class: 'facts' }, ...facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))),
      el(
        'p',
        { class: 'soft' },
        `Phases: ${phases.map(({ name, seconds: part }) => `${name} ${duration(part)} (${percent(part, seconds)})`).join(', ')}`,
      ),
      el(
        'ol',
        { class: 'blobs', attributes: { 'aria-label': 'Slowest blobs' } },
        ...listed.map((blob) =>
          el(
            'li',
            {},
            el('code', {}, shortDigest(blob.digest)),
            ` ${size(blob.bytes)}, `,
            blob.wasHere
              ? 'was here'
              : `${duration(blob.seconds)}, waited ${duration(blob.waitedSeconds)}, ${size(blob.fromOriginBytes)} from the origin, ${size(blob.fromPeersBytes)} from peers${troublesOf(blob)}`,
            ...(blob.strip.length > 0 ? [stripOfBlob(blob.strip)] : []),
          ),
        ),
      ),
      ...(blobCount > listed.length ? [el('p', { class: 'soft' }, `The slowest ${listed.length} of ${blobCount} blobs.`)] : []),
    ];
  }

  #shares(given: Parameters<typeof legendOf>[0], nameOf: (source: string) => string): HTMLElement {
    const strip = makeStrip();
    updateStrip(strip, given, this.#marks, nameOf);
    return strip;
  }
}

function troublesOf({ stalls, retries }: SwarmPullBlob): string {
  return [...(stalls === 0 ? [] : [count(stalls, 'stall')]), ...(retries === 0 ? [] : [retries === 1 ? '1 retry' : `${retries} retries`])]
    .map((part) => `, ${part}`)
    .join('');
}
