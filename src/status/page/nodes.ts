import type { SwarmNode } from '../swarm-document.ts';
import { bodyOf, el, fill, setAttribute, setClass, setText } from './dom.ts';
import { matches } from './filter.ts';
import { count, rate, size, uptime } from './format.ts';
import type { Model } from './model.ts';
import { groupByZone, isMoving, type Zone } from './zones.ts';

/** With more nodes than so many, zones are closed until somebody opens them. */
const OPEN_UP_TO = 48;
/** Tiles of one zone. */
const MAX_TILES = 96;

const STATES = { told: '', asked: 'asking …', silent: 'does not answer', unable: 'its version does not tell' } as const;
/** What a tile says, and what a filter finds. */
const TAGS = { ok: '', degraded: 'degraded', bad: 'not well', unknown: '' } as const;
const LEVELS = { ...TAGS, ok: 'well' } as const;

/** Members by zone, a tile each; one that is pressed filters the page to it. */
export function showNodes(model: Model, filter: string, now: number, onPick: (name: string) => void): number {
  const nodes = [...model.nodes.values()];
  const found = nodes.filter((node) => matches(filter, node.name, node.peerId, node.zone, `version ${node.version}`, LEVELS[node.level]));
  const zones = groupByZone(found);
  const body = bodyOf('nodes');
  if (body.childElementCount === 0) body.append(el('div', { class: 'zones' }), el('p', { class: 'soft empty' }));
  const [list, note] = [body.firstElementChild!, body.lastElementChild as HTMLElement];
  note.hidden = found.length > 0;
  setText(note, nodes.length === 0 ? 'Nothing is known yet.' : 'No node fits the filter.');
  setText(document.getElementById('h-nodes')!, `Nodes ${nodes.length === 0 ? '' : nodes.length}`.trim());
  fill(list, zones, {
    key: ({ name }) => name,
    make: () =>
      el(
        'details',
        { class: 'zone', ...(nodes.length <= OPEN_UP_TO ? { attributes: { open: '' } } : {}) },
        el(
          'summary',
          {},
          el('strong'),
          el('span', { class: 'soft' }),
          el('span', { class: 'dots', attributes: { 'aria-hidden': 'true' } }),
        ),
        el('div', { class: 'tiles' }),
        el('p', { class: 'soft' }),
      ),
    update: (element, zone) => {
      updateZone(element, zone, filter, now, onPick, model);
    },
  });
  return found.length;
}

function updateZone(
  element: HTMLDetailsElement,
  zone: Zone,
  filter: string,
  now: number,
  onPick: (name: string) => void,
  model: Model,
): void {
  const [summary, tiles, more] = [...element.children] as [HTMLElement, HTMLElement, HTMLElement];
  const [name, facts, dots] = [...summary.children] as [HTMLElement, HTMLElement, HTMLElement];
  setText(name, zone.name === '' ? 'no zone' : zone.name);
  const ill = zone.nodes.filter(({ level }) => level === 'bad' || level === 'degraded').length;
  setText(
    facts,
    [
      count(zone.nodes.length, 'node'),
      ...(ill === 0 ? [] : [`${ill} not well`]),
      ...(zone.bytesPerSecond > 0 ? [`${rate(zone.bytesPerSecond)} in`] : []),
    ].join(' · '),
  );
  // a dot a node says how a closed zone is
  fill(dots, element.open ? [] : zone.nodes, {
    key: ({ peerId }) => peerId,
    make: () => el('i'),
    update: (dot, node) => {
      setClass(dot, `${node.level} ${isMoving(node) ? 'moving' : ''}`.trim());
    },
  });
  const shown = element.open ? zone.nodes.slice(0, MAX_TILES) : [];
  fill(tiles, shown, {
    key: ({ peerId }) => peerId,
    make: (node) => makeTile(node, model, onPick),
    update: (tile, node) => {
      updateTile(tile, node, filter, now, model);
    },
  });
  more.hidden = !element.open || zone.nodes.length <= MAX_TILES;
  setText(more, `and ${zone.nodes.length - MAX_TILES} more: filter by name to see them`);
}

function makeTile(node: SwarmNode, model: Model, onPick: (name: string) => void): HTMLElement {
  return el(
    'button',
    {
      class: 'tile',
      attributes: { type: 'button' },
      on: {
        click: () => {
          onPick(model.nameOf(node.peerId));
        },
      },
    },
    el('span', { class: 'tile-name' }, el('i', { class: 'dot' }), el('bdi'), el('span', { class: 'tag' })),
    el('span', { class: 'tile-rates' }),
    el('span', { class: 'tile-facts soft' }),
  );
}

function updateTile(tile: Element, node: SwarmNode, filter: string, now: number, model: Model): void {
  const [line, rates, facts] = [...tile.children] as [HTMLElement, HTMLElement, HTMLElement];
  const [dot, name, tag] = [...line.children] as [HTMLElement, HTMLElement, HTMLElement];
  setClass(tile, `tile ${node.level} ${isMoving(node) ? 'moving' : ''}`.trim());
  setClass(dot, `dot ${node.answer === 'told' ? node.level : 'unknown'}`);
  const label = model.nameOf(node.peerId);
  setText(name, label);
  setText(tag, node.isSelf ? 'this node' : node.answer === 'told' ? TAGS[node.level] : STATES[node.answer]);
  setAttribute(tile, 'aria-pressed', String(filter !== '' && filter === label));
  const received = node.fromOrigin + node.fromPeers;
  setText(
    rates,
    isMoving(node)
      ? [...(received > 0 ? [`↓ ${rate(received)}`] : []), ...(node.toPeers > 0 ? [`↑ ${rate(node.toPeers)}`] : [])].join('  ')
      : 'idle',
  );
  const up = node.startedAt === null ? [] : [uptime(node.startedAt, now)];
  setText(facts, node.answer === 'told' ? [size(node.storeBytes), count(node.images, 'image'), ...up].join(' · ') : 'nothing known');
  const hint = [
    label,
    node.peerId,
    node.sentence,
    node.answer === 'told'
      ? `${size(node.storeBytes)}${node.storeMaxBytes === null ? '' : ` of ${size(node.storeMaxBytes)}`} in ${count(node.blobs, 'blob')}`
      : '',
    node.version === '' ? '' : `version ${node.version}`,
    node.latencyMs === null ? '' : `${node.latencyMs} ms away`,
  ]
    .filter((part) => part !== '')
    .join('\n');
  if ((tile as HTMLElement).title !== hint) (tile as HTMLElement).title = hint;
}
