import { bodyOf, el, svg } from './dom.ts';
import { percent, rate, size } from './format.ts';
import type { Model } from './model.ts';

const HEIGHT = 150;
const MINUTES = 60;

let shown = '';

/** What came in the last hour, a bar a minute: from peers on what came from the origin. */
export function showHour(model: Model): void {
  const body = bodyOf('hour');
  const nodes = [...model.nodes.values()];
  const now = [sum(nodes.map(({ fromOrigin }) => fromOrigin)), sum(nodes.map(({ fromPeers }) => fromPeers))] as const;
  const { minute, origin, peers } = model.hour;
  const width = Math.max(240, Math.floor(body.clientWidth));
  const picture = `${width} ${JSON.stringify([model.hour, model.today, now])}`;
  if (picture === shown) return;
  shown = picture;
  const totals = [sum(origin), sum(peers)] as const;
  if (totals[0] + totals[1] === 0) {
    body.replaceChildren(el('p', { class: 'soft empty' }, 'Nothing came in the last hour.'));
    return;
  }
  const most = Math.max(...origin.map((bytes, index) => bytes + (peers[index] ?? 0)));
  const step = width / MINUTES;
  const bars = origin.flatMap((bytes, index) => {
    const x = index * step;
    const low = (bytes / most) * HEIGHT;
    const high = ((peers[index] ?? 0) / most) * HEIGHT;
    const bar = (kind: string, y: number, height: number): SVGElement[] =>
      height <= 0
        ? []
        : [
            svg('rect', {
              class: kind,
              x: x.toFixed(1),
              y: (y - Math.max(1, height)).toFixed(1),
              width: Math.max(1, step - 1.5).toFixed(1),
              height: Math.max(1, height).toFixed(1),
            }),
          ];
    return [...bar('from-origin', HEIGHT, low), ...bar('from-peers', HEIGHT - low, high)];
  });
  const label = `In the last hour ${size(totals[1])} came from peers and ${size(totals[0])} from the origin; the busiest minute had ${size(most)}.`;
  body.replaceChildren(
    el(
      'div',
      { class: 'chart' },
      svg(
        'svg',
        { width, height: HEIGHT + 2, viewBox: `0 0 ${width} ${HEIGHT + 2}`, role: 'img', 'aria-label': label, 'data-minute': minute },
        svg('line', { class: 'axis', x1: 0, x2: width, y1: HEIGHT + 1, y2: HEIGHT + 1 }),
        ...bars,
      ),
      el('p', { class: 'scale soft' }, el('span', {}, 'an hour ago'), el('span', {}, 'now')),
    ),
    el(
      'ul',
      { class: 'legend', attributes: { role: 'list' } },
      el('li', {}, el('i', { class: 'key from-peers' }), `${size(totals[1])} from peers`),
      el('li', {}, el('i', { class: 'key from-origin' }), `${size(totals[0])} from the origin`),
    ),
    el(
      'dl',
      { class: 'facts' },
      ...[
        ['Now from peers', rate(now[1])],
        ['Now from the origin', rate(now[0])],
        ['Today from peers', size(model.today.peersBytes)],
        ['Today from the origin', size(model.today.originBytes)],
        ['From peers, last hour', percent(totals[1], totals[0] + totals[1])],
        ['Busiest minute', size(most)],
      ].map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
    ),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
