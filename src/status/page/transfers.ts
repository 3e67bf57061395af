import type { SwarmTransfer } from '../swarm-document.ts';
import { bodyOf, el, fill, setText } from './dom.ts';
import { matches, pageOf } from './filter.ts';
import { count, duration, percent, rate, shortDigest, size } from './format.ts';
import type { Marks } from './marks.ts';
import type { Model } from './model.ts';
import { legendOf, makeStrip, updateStrip } from './strip.ts';
import { compareNames } from './zones.ts';

const SHOWN = 24;
const SHOWN_NARROW = 10;
const STATES = { finding: 'looking for it', fetching: '', verifying: 'checking every byte' } as const;

/** What is on its way to which node, with a strip of who gave what of it. */
export function showTransfers(model: Model, marks: Marks, filter: string): void {
  const all = [...model.transfers.values()];
  const found = all
    .filter(({ node, repository, digest }) => matches(filter, model.nameOf(node), repository, digest))
    .sort(
      (a, b) =>
        compareNames(a.repository, b.repository) ||
        compareNames(a.digest, b.digest) ||
        compareNames(model.nameOf(a.node), model.nameOf(b.node)),
    );
  const { items } = pageOf(found, 0, window.innerWidth <= 600 ? SHOWN_NARROW : SHOWN);
  const total = [...model.nodes.values()].reduce((sum, { transfers }) => sum + transfers, 0);
  const body = bodyOf('transfers');
  if (body.childElementCount === 0)
    body.append(el('ul', { class: 'transfers', attributes: { role: 'list' } }), el('p', { class: 'soft empty' }));
  const [list, note] = [body.firstElementChild as HTMLElement, body.lastElementChild!];
  setText(document.getElementById('h-transfers')!, total === 0 ? 'Transfers' : `Transfers ${total}`);
  list.hidden = items.length === 0;
  setText(
    note,
    all.length === 0
      ? 'Nothing is on its way.'
      : found.length === 0
        ? 'Nothing on its way fits the filter.'
        : found.length > items.length
          ? `and ${count(found.length - items.length, 'more transfer')}: filter by node or image to see them`
          : '',
  );
  fill(list, items, {
    key: keyOf,
    make: () => makeTransfer(),
    update: (element, item) => {
      updateTransfer(element, item, model, marks);
    },
  });
}

function keyOf({ node, digest }: SwarmTransfer): string {
  return `${node}/${digest}`;
}

function makeTransfer(): HTMLElement {
  return el(
    'li',
    { class: 'transfer' },
    el(
      'p',
      { class: 'line' },
      el('span', { class: 'what' }, el('bdi', { class: 'repository' }), el('code', { class: 'soft' })),
      el('span', { class: 'to' }),
    ),
    makeStrip(),
    el('p', { class: 'line' }, el('span', {}), el('span', { class: 'number' })),
    el('ul', { class: 'legend', attributes: { role: 'list' } }),
  );
}

function updateTransfer(element: Element, transfer: SwarmTransfer, model: Model, marks: Marks): void {
  const [line, strip, figures, legend] = [...element.children] as [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  const [what, to] = [...line.children] as [HTMLElement, HTMLElement];
  const [have, speed] = [...figures.children] as [HTMLElement, HTMLElement];
  const { repository, digest, node, haveBytes, sizeBytes, bytesPerSecond, state } = transfer;
  setText(what.firstElementChild!, repository);
  setText(what.lastElementChild!, shortDigest(digest));
  setText(to, `to ${model.nameOf(node)}`);
  setText(have, sizeBytes === null ? size(haveBytes) : `${percent(haveBytes, sizeBytes)} of ${size(sizeBytes)}`);
  const left =
    sizeBytes !== null && bytesPerSecond > 0 && sizeBytes > haveBytes ? `, ${duration((sizeBytes - haveBytes) / bytesPerSecond)} left` : '';
  setText(speed, STATES[state] === '' ? `${rate(bytesPerSecond)}${left}` : STATES[state]);
  const nameOf = (source: string): string => model.nameOf(source);
  updateStrip(strip, transfer, marks, nameOf);
  const entries = legendOf(transfer, marks, nameOf);
  if (legend.textContent !== entries.map((entry) => entry.textContent).join('')) legend.replaceChildren(...entries);
}
