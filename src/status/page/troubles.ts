import type { SwarmTrouble } from '../swarm-document.ts';
import { bodyOf, el, fill, setClass, setText } from './dom.ts';
import { matches, pageOf } from './filter.ts';
import { ago, count, duration } from './format.ts';
import type { Model } from './model.ts';

const SHOWN = 8;
const SEVERITY = { bad: 0, degraded: 1, unknown: 2, ok: 3 } as const;
const LEVELS = { bad: 'not well', degraded: 'degraded', unknown: 'not known', ok: 'well' } as const;

/** What one thing says that is wrong, and all the nodes that say it. */
export interface GroupedTrouble extends Pick<SwarmTrouble, 'kind' | 'level' | 'subject' | 'name' | 'sentence'> {
  readonly nodes: readonly string[];
  /** Of the one that it began with, or of a ban the last that it ends for. */
  readonly since: number;
}

/** Pure: an origin that is away is one line, however many nodes say so; what is worst comes first, then what this node says, then the newest. */
export function groupTroubles(troubles: readonly SwarmTrouble[], self: string): GroupedTrouble[] {
  const groups = new Map<string, SwarmTrouble[]>();
  for (const trouble of troubles) {
    const key = JSON.stringify([trouble.kind, trouble.level, trouble.subject, trouble.sentence]);
    groups.set(key, [...(groups.get(key) ?? []), trouble]);
  }
  const grouped = [...groups.values()].map((same): GroupedTrouble => {
    const { kind, level, subject, sentence } = same[0]!;
    const name = same.find((trouble) => trouble.name !== '')?.name ?? '';
    const times = same.map(({ since }) => since);
    return {
      kind,
      level,
      subject,
      name,
      sentence,
      nodes: same.map(({ node }) => node),
      since: kind === 'ban' ? Math.max(...times) : Math.min(...times),
    };
  });
  const isOwn = ({ nodes }: GroupedTrouble): number => Number(nodes.includes(self));
  return grouped.sort((a, b) => SEVERITY[a.level] - SEVERITY[b.level] || isOwn(b) - isOwn(a) || b.since - a.since);
}

export function showTroubles(model: Model, filter: string, now: number): void {
  const section = document.getElementById('troubles')!;
  const all = groupTroubles([...model.troubles.values()], model.self?.peerId ?? '');
  const found = all.filter(({ subject, name, sentence, nodes }) =>
    matches(filter, subject, name, sentence, ...nodes.map((node) => model.nameOf(node))),
  );
  section.hidden = found.length === 0;
  const { items, total } = pageOf(found, 0, SHOWN);
  const body = bodyOf('troubles');
  if (body.childElementCount === 0) body.append(el('ul', { class: 'troubles', attributes: { role: 'list' } }), el('p', { class: 'soft' }));
  fill(body.firstElementChild!, items, {
    key: ({ kind, level, subject, sentence }) => JSON.stringify([kind, level, subject, sentence]),
    make: () => el('li', {}, el('strong'), el('span', { class: 'text' }), el('span', { class: 'soft' })),
    update: (element, trouble) => {
      updateTrouble(element, trouble, model, now);
    },
  });
  setText(body.lastElementChild!, total > items.length ? `and ${count(total - items.length, 'more')}` : '');
}

function updateTrouble(
  element: Element,
  { kind, level, subject, name, sentence, nodes, since }: GroupedTrouble,
  model: Model,
  now: number,
): void {
  const [badge, text, facts] = [...element.children] as [HTMLElement, HTMLElement, HTMLElement];
  setClass(badge, `level ${level}`);
  setText(badge, kind === 'ban' ? 'banned' : LEVELS[level]);
  setText(text, kind === 'ban' ? `${name === '' ? model.nameOf(subject) : name}: ${sentence}` : sentence);
  const [first, second] = nodes.map((node) => model.nameOf(node));
  const who =
    nodes.length === 1 ? first! : nodes.length === 2 ? `${first!} and ${second!}` : `${first!} and ${count(nodes.length - 1, 'more node')}`;
  setText(
    facts,
    kind === 'ban'
      ? `by ${who}, ${since > now ? `for ${duration(Math.ceil((since - now) / 60_000) * 60)} more` : 'until now'}`
      : `${who}, ${subject}, since ${ago(since, now).replace(/ ago$/, '')}`,
  );
}
