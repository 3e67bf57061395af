import type { System } from './crowd-case.ts';
import { fluidBound } from './crowd-case.ts';
import type { CaseResult } from './stage.ts';

const WIDTH = 720;
const HEIGHT = 360;
const MARGIN = { left: 56, right: 16, top: 40, bottom: 44 };
const COLOURS: Record<System, string> = { layerswarm: '#0a7d4f', aria2: '#c2571a', mirror: '#6a5acd', http: '#777777' };
const NAMES: Record<System, string> = {
  layerswarm: 'layerswarm',
  aria2: 'aria2 + opentracker',
  mirror: 'pull-through mirror',
  http: 'plain HTTP',
};

/** SVG: how many hosts have the image after how many seconds, one step line a system, on a logarithmic time axis. */
export function completionChart(results: readonly CaseResult[]): string {
  const { crowd, payloadBytes } = results[0]!;
  const bound = fluidBound(crowd, payloadBytes);
  const longest = Math.max(...results.flatMap(({ hosts }) => hosts.map(({ client }) => client ?? 0)));
  const x = (seconds: number): number =>
    MARGIN.left +
    (Math.log(Math.max(1, seconds / (bound / 2))) / Math.log((longest * 1.1) / (bound / 2))) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (hosts: number): number => HEIGHT - MARGIN.bottom - (hosts / crowd.hosts.length) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const lines = results.map(({ system, hosts }, i) => {
    const times = hosts.flatMap(({ client }) => client ?? []).sort((a, b) => a - b);
    const path = times.map((seconds, done) => `H${x(seconds).toFixed(1)}V${y(done + 1).toFixed(1)}`).join('');
    return `<path d="M${MARGIN.left} ${y(0)}${path}" fill="none" stroke="${COLOURS[system]}" stroke-width="2.5"/>
<text x="${WIDTH - MARGIN.right}" y="${MARGIN.top + 60 + 20 * i}" text-anchor="end" fill="${COLOURS[system]}">${NAMES[system]}: ${times.at(-1)!.toFixed(1)} s</text>`;
  });
  const ticks = [0.5, 1, 2, 4, 8, 16, 32].map((factor) => factor * bound).filter((seconds) => seconds <= longest * 1.1);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text x="${MARGIN.left}" y="22" font-size="15">${crowd.hosts.length} hosts pull ${(payloadBytes / 1e6).toFixed(0)} MB at ${crowd.originRate / 1e6} Mbit/s, all at once: hosts that have it</text>
${[0, crowd.hosts.length / 2, crowd.hosts.length].map((hosts) => `<path d="M${MARGIN.left} ${y(hosts)}H${WIDTH - MARGIN.right}" stroke="#dddddd"/><text x="${MARGIN.left - 8}" y="${y(hosts) + 4}" text-anchor="end">${hosts}</text>`).join('\n')}
${ticks.map((seconds) => `<text x="${x(seconds).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${seconds.toFixed(0)} s</text>`).join('\n')}
<path d="M${x(bound).toFixed(1)} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}" stroke="#000000" stroke-dasharray="4 4"/>
<text x="${x(bound) + 6}" y="${MARGIN.top + 12}">the bound: nobody can be faster</text>
${lines.join('\n')}
</svg>
`;
}
