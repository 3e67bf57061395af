import { bodyOf, el, svg } from './dom.ts';
import { layOutFlows, type FlowEnd, type FlowLayout } from './flow-layout.ts';
import { count, rate } from './format.ts';
import type { Marks } from './marks.ts';
import { matches } from './filter.ts';
import type { Model } from './model.ts';

const ENDS = 10;
const HEIGHT = 150;
const GAP = 8;
const LEAST = 34;
const BAR = 10;
/** Of a name, in pixels. */
const LETTER = 7.4;

let shown = '';

/** Who sends what to whom now: a ribbon for each flow, and the same as a list for those who do not see it. */
export function showFlows(model: Model, marks: Marks, filter: string): void {
  const body = bodyOf('flows');
  const flows = [...model.flows.values()]
    .filter(({ from, to }) => matches(filter, model.nameOf(from), model.nameOf(to), 'flow'))
    .sort((a, b) => b.bytesPerSecond - a.bytesPerSecond);
  const width = Math.max(260, Math.floor(body.clientWidth));
  const picture = `${width} ${JSON.stringify(flows)}`;
  if (picture === shown) return;
  shown = picture;
  if (flows.length === 0) {
    body.replaceChildren(
      el(
        'p',
        { class: 'soft empty' },
        filter === '' ? 'Nothing is moving now. The next pull shows here.' : 'Nothing that fits the filter is moving now.',
      ),
    );
    return;
  }
  const layout = layOutFlows(flows, { ends: ENDS, bytes: HEIGHT, gap: GAP, least: LEAST });
  const lines = flows
    .slice(0, 20)
    .map(({ from, to, bytesPerSecond }) => el('li', {}, `${model.nameOf(from)} to ${model.nameOf(to)}: ${rate(bytesPerSecond)}`));
  body.replaceChildren(draw(layout, width, model, marks), el('ul', { class: 'hidden', attributes: { 'aria-label': 'Flows' } }, ...lines));
}

function draw({ senders, receivers, ribbons, height }: FlowLayout, width: number, model: Model, marks: Marks): SVGElement {
  const longest = Math.max(...[...senders, ...receivers].map(({ id, nodes }) => nameOfEnd(id, nodes, model).length + 2));
  const side = Math.min(Math.max(76, longest * LETTER + 12), Math.floor(width * 0.31));
  const [left, right] = [side + BAR, width - side - BAR];
  const middle = (left + right) / 2;
  const colourOf = (id: string): string => (id === '' ? 'c-many' : marks.of(id).colour);
  return svg(
    'svg',
    { class: 'flows', width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true', focusable: 'false' },
    ...ribbons.map(({ from, to, fromY, toY, height: thick, bytesPerSecond }) => {
      const high = Math.max(1.5, thick);
      return svg(
        'path',
        {
          class: `ribbon ${colourOf(from)}`,
          d: `M${left} ${fromY}C${middle} ${fromY} ${middle} ${toY} ${right} ${toY}v${high}C${middle} ${toY + high} ${middle} ${fromY + high} ${left} ${fromY + high}Z`,
        },
        svg('title', {}, `${nameOfEnd(from, 0, model)} → ${nameOfEnd(to, 0, model)}: ${rate(bytesPerSecond)}`),
      );
    }),
    ...senders.flatMap((end) => [
      svg('rect', { class: `end ${colourOf(end.id)}`, x: side, y: end.y, width: BAR, height: end.height, rx: 2 }),
      ...labels(end, side - 8, 'end', side, model, marks),
    ]),
    ...receivers.flatMap((end) => [
      svg('rect', { class: `end ${colourOf(end.id)}`, x: right, y: end.y, width: BAR, height: end.height, rx: 2 }),
      ...labels(end, right + BAR + 8, 'start', side, model, marks),
    ]),
  );
}

function labels(end: FlowEnd, x: number, anchor: string, room: number, model: Model, marks: Marks): SVGElement[] {
  const middle = end.y + end.height / 2;
  const letter = end.id === '' ? '' : `${marks.of(end.id).letter} `;
  return [
    svg('text', { class: 'who', x, y: middle - 3, 'text-anchor': anchor }, cut(`${letter}${nameOfEnd(end.id, end.nodes, model)}`, room)),
    svg('text', { class: 'rate', x, y: middle + 12, 'text-anchor': anchor }, rate(end.bytesPerSecond)),
  ];
}

function nameOfEnd(id: string, nodes: number, model: Model): string {
  return id === '' ? (nodes === 0 ? 'others' : count(nodes, 'other')) : model.nameOf(id);
}

/** What has room in so many pixels, with its end: names differ there. */
function cut(text: string, pixels: number): string {
  const length = Math.max(6, Math.floor(pixels / LETTER));
  return text.length <= length ? text : `${text.slice(0, Math.ceil(length / 2) - 1)}…${text.slice(-Math.floor(length / 2))}`;
}
