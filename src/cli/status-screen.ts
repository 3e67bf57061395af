import type { HealthLevel, StatusDocument } from '../status/status-document.ts';
import { formatBytes } from '../quantity.ts';
import { formatSeconds, nodeName, originCalled, shortAddress, shortDigest } from './format.ts';
import { printable } from './table.ts';

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

interface Line {
  readonly text: string;
  readonly color?: keyof typeof COLORS;
}

const COLORS = { ok: 32, degraded: 33, bad: 31, unknown: 36, heading: 1 } as const;
const MARKS: Readonly<Record<HealthLevel, string>> = { ok: '+', degraded: '!', bad: 'x', unknown: '?' };
const NARROW = 70;
/** From here on there is room for addresses and digests. */
const WIDE = 110;
/** A sentence about health takes no more lines than this. */
const SENTENCE_LINES = 3;

/** The swarm first, then this node, on one screen: what does not fit is counted, and no line is broken. */
export function statusScreen(status: StatusDocument, screen: Screen): string {
  const { health, name, peerId, zone, version, uptimeSeconds } = status;
  const troubles = Object.entries(health.parts).filter(([, { level }]) => level === 'bad' || level === 'degraded');
  const head: Line[] = [
    ...wrapped(`${MARKS[health.level]} ${health.level}: ${health.sentence}`, '  ', health.level, screen.columns),
    // one trouble is all that the node's own sentence says
    ...(troubles.length < 2
      ? []
      : troubles.flatMap(([part, { level, sentence }]) =>
          wrapped(`  ${MARKS[level]} ${part}: ${sentence}`, '    ', level, screen.columns),
        )),
  ];
  const node: Line[] = [
    { text: `NODE  ${name}  zone ${zone}  version ${version}  up ${formatSeconds(uptimeSeconds)}  ${peerId}`, color: 'heading' },
    ...nodeLines(status, screen.columns),
  ];
  const room = Math.max(3, screen.rows - 1 - head.length - node.length);
  const lists = [transfers(status, screen.columns), members(status, screen.columns), images(status, screen.columns)];
  const lines = [...head, ...share(lists, room).flat(), ...node];
  return lines
    .slice(0, Math.max(1, screen.rows - 1))
    .map((line) => painted(line, screen))
    .join('\n');
}

/** Gives each list its heading and an equal part of the room; what one leaves, the others have. */
function share(lists: readonly (readonly Line[])[], room: number): Line[][] {
  let left = room;
  const shortest = lists.map((list, index) => ({ list, index })).sort((a, b) => a.list.length - b.list.length);
  const shown: Line[][] = [];
  for (const [turn, { list, index }] of shortest.entries()) {
    const part = Math.max(1, Math.floor(left / (shortest.length - turn)));
    shown[index] =
      list.length <= part
        ? [...list]
        : [...list.slice(0, Math.max(1, part - 1)), ...(part > 1 ? [{ text: `  and ${list.length - part + 1} more` }] : [])];
    left -= shown[index].length;
  }
  return shown;
}

function members({ peers }: StatusDocument, columns: number): Line[] {
  const zones = new Set(peers.map(({ zone }) => zone)).size;
  const longest = Math.min(32, Math.max(16, ...peers.map(({ name }) => name.length)));
  return [
    { text: `MEMBERS  ${peers.length}${peers.length === 0 ? '' : ` in ${zones} ${zones === 1 ? 'zone' : 'zones'}`}`, color: 'heading' },
    ...peers.map(({ name, peerId, zone, address, latencyMs, receivedBytes, sentBytes, lane, badPieces }): Line => {
      const called = shortened(name === '' ? peerId.slice(-12) : name, columns < WIDE ? 16 : 32).padEnd(columns < WIDE ? 16 : longest);
      const amounts = `${formatBytes(receivedBytes).padStart(9)} in ${formatBytes(sentBytes).padStart(9)} out`;
      const wrong = badPieces > 0 ? `  ${badPieces} BAD PIECES` : '';
      return {
        text:
          columns < NARROW
            ? `  ${called} ${amounts}${wrong}`
            : `  ${called} ${shortened(zone, 10).padEnd(10)} ${amounts}  ${lane.padEnd(6)} ${latencyMs === null ? '' : `${latencyMs.toFixed(1)} ms`}${wrong}${columns < WIDE ? '' : `  ${shortAddress(address)}`}`,
        ...(badPieces > 0 ? { color: 'bad' } : {}),
      };
    }),
  ];
}

function transfers({ transfers: running }: StatusDocument, columns: number): Line[] {
  const rate = running.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0);
  return [
    { text: running.length === 0 ? 'DOWNLOADS  none' : `DOWNLOADS  ${running.length} at ${formatBytes(rate)}/s`, color: 'heading' },
    ...running.map(({ digest, repository, haveBytes, sizeBytes, bytesPerSecond, state }): Line => {
      const progress =
        sizeBytes === null
          ? state
          : `${bar(haveBytes, sizeBytes, columns < NARROW ? 10 : columns < WIDE ? 16 : 24)} ${formatBytes(haveBytes)} of ${formatBytes(sizeBytes)}  ${formatBytes(bytesPerSecond)}/s${timeLeft(sizeBytes - haveBytes, bytesPerSecond)}`;
      return { text: columns < WIDE ? `  ${progress}  ${repository}` : `  ${shortDigest(digest)} ${progress}  ${repository}` };
    }),
  ];
}

function images({ images: held }: StatusDocument, columns: number): Line[] {
  const complete = held.filter((image) => image.complete).length;
  return [
    { text: `IMAGES  ${complete} complete${held.length > complete ? `, ${held.length - complete} partly` : ''}`, color: 'heading' },
    ...held.map(({ reference, sizeBytes, complete: whole }): Line => ({
      text: `  ${formatBytes(sizeBytes).padStart(9)} ${whole ? '       ' : 'partly '} ${ending(reference, columns - 22)}`,
    })),
  ];
}

function nodeLines({ origin, store, traffic, membership, bans }: StatusDocument, columns: number): Line[] {
  const received = traffic.fromOriginBytes + traffic.fromPeersBytes;
  return [
    { text: `  origin    ${originCalled(origin)}  ${origin.state}, ${origin.source}` },
    {
      text: `  store     ${store.maxBytes === null ? '' : `${bar(store.bytes, store.maxBytes, columns < NARROW ? 10 : 24)} `}${formatBytes(store.bytes)}${store.maxBytes === null ? '' : ` of ${formatBytes(store.maxBytes)}`}${store.freeBytes === null ? '' : `, ${formatBytes(store.freeBytes)} free on disk`}`,
    },
    {
      text: `  received  ${formatBytes(traffic.fromPeersBytes)} from members, ${formatBytes(traffic.fromOriginBytes)} from the origin${received === 0 ? '' : `: ${Math.round((traffic.fromPeersBytes / received) * 100)} % from members`}`,
    },
    { text: `  sent      ${formatBytes(traffic.toPeersBytes)} to members, ${formatBytes(traffic.toClientsBytes)} to clients` },
    ...(membership.keyIds.length === 0 ? [] : [{ text: `  key       ${membership.keyIds.join(', ')}` }]),
    ...bans
      .slice(0, 3)
      .map(({ name, peerId, reason, until }): Line => ({
        text: `  banned    ${nodeName({ name, peerId })} until ${until}: ${reason}`,
        color: 'bad',
      })),
  ];
}

/** A long name, without its middle. */
function shortened(name: string, width: number): string {
  if (name.length <= width) return name;
  const tail = Math.floor((width - 1) / 3);
  return `${name.slice(0, width - 1 - tail)}…${name.slice(-tail)}`;
}

/** Of a reference that is too long the end, where its tag is. */
function ending(reference: string, width: number): string {
  return reference.length <= width ? reference : `…${reference.slice(1 - Math.max(2, width))}`;
}

/** A sentence on as many lines as it needs, up to a few. */
function wrapped(text: string, indent: string, color: HealthLevel, columns: number): Line[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S) +/)) {
    if (line !== '' && line.length + 1 + word.length >= columns && lines.length < SENTENCE_LINES - 1) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => ({ text: one, color }));
}

export function bar(have: number, all: number, width: number): string {
  const filled = all === 0 ? width : Math.min(width, Math.round((have / all) * width));
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}

/** `, 12 s left`; nothing where nothing comes. */
export function timeLeft(bytes: number, bytesPerSecond: number): string {
  return bytes <= 0 || bytesPerSecond <= 0 ? '' : `, ${formatSeconds(bytes / bytesPerSecond)} left`;
}

function painted({ text, color }: Line, { columns, color: isColored }: Screen): string {
  const plain = printable(text);
  const cut = plain.length < columns ? plain : `${plain.slice(0, Math.max(1, columns - 2))}…`;
  return isColored && color !== undefined ? `\x1b[${COLORS[color]}m${cut}\x1b[0m` : cut;
}
