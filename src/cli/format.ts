import type { Receipt } from '../status/receipt-document.ts';
import type { NodeHealth, StatusDocument } from '../status/status-document.ts';
import type { PullPlan } from '../control/prefetch-operation.ts';
import { formatBytes } from '../quantity.ts';
import { printable, table } from './table.ts';

export function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(':') + 13);
}

/** A multiaddr without the peer id, which stands beside it. */
export function shortAddress(address: string): string {
  return address.replace(/\/p2p\/[^/]*$/, '');
}

export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How people know a node: by its name, else by its peer id. */
export function nodeName({ name, peerId }: { readonly name: string; readonly peerId: string }): string {
  return name === '' ? peerId : printable(name);
}

export function formatPeers({ peers }: Pick<StatusDocument, 'peers'>): string {
  return table(
    [
      { label: 'NAME', value: ({ name }) => name },
      { label: 'PEER', value: ({ peerId }) => peerId },
      { label: 'ADDRESS', value: ({ address }) => shortAddress(address) },
      { label: 'ZONE', value: ({ zone }) => zone },
      { label: 'LANE', value: ({ lane }) => lane },
      { label: 'LATENCY', value: ({ latencyMs }) => (latencyMs === null ? '' : `${latencyMs.toFixed(1)} ms`), align: 'right' },
      { label: 'RECEIVED', value: ({ receivedBytes }) => formatBytes(receivedBytes), align: 'right' },
      { label: 'SENT', value: ({ sentBytes }) => formatBytes(sentBytes), align: 'right' },
      { label: 'BAD', value: ({ badPieces }) => String(badPieces), align: 'right' },
    ],
    peers,
    'no peer is connected',
  );
}

export function formatImages({ images }: Pick<StatusDocument, 'images'>): string {
  return table(
    [
      { label: 'REFERENCE', value: ({ reference }) => reference },
      { label: 'DIGEST', value: ({ digest }) => shortDigest(digest) },
      { label: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes), align: 'right' },
      { label: 'HERE', value: ({ complete }) => (complete ? 'complete' : 'partly') },
    ],
    images,
    'no image is here yet',
  );
}

export function formatTransfers({ transfers }: Pick<StatusDocument, 'transfers'>): string {
  return table(
    [
      { label: 'BLOB', value: ({ digest }) => shortDigest(digest) },
      { label: 'REPOSITORY', value: ({ repository }) => repository },
      { label: 'STATE', value: ({ state }) => state },
      { label: 'HAVE', value: ({ haveBytes }) => formatBytes(haveBytes), align: 'right' },
      { label: 'SIZE', value: ({ sizeBytes }) => (sizeBytes === null ? '?' : formatBytes(sizeBytes)), align: 'right' },
      { label: 'ORIGIN', value: ({ fromOriginBytes }) => formatBytes(fromOriginBytes), align: 'right' },
      { label: 'PEERS', value: ({ fromPeersBytes }) => formatBytes(fromPeersBytes), align: 'right' },
      { label: 'RATE', value: ({ bytesPerSecond }) => `${formatBytes(bytesPerSecond)}/s`, align: 'right' },
    ],
    transfers,
    'no transfer is running',
  );
}

/** Its address, or the name of one that is embedded in a node. */
export function originCalled({ url, name }: StatusDocument['origin']): string {
  return (url?.startsWith('embedded:') === true ? name : url) ?? 'none known';
}

export function formatStatus(status: StatusDocument): string {
  const { origin, store, traffic } = status;
  const reason = origin.reason === null ? '' : ` (${printable(origin.reason)})`;
  const limit = store.maxBytes === null ? '' : ` of ${formatBytes(store.maxBytes)}`;
  const received = traffic.fromOriginBytes + traffic.fromPeersBytes;
  const share = received === 0 ? '' : `, ${Math.round((traffic.fromPeersBytes / received) * 100)} % from peers`;
  return [
    `node      ${printable(status.name)}  ${status.peerId}  zone ${status.zone}  version ${status.version}  up ${formatSeconds(status.uptimeSeconds)}`,
    ...healthLines(status.health),
    ...(status.membership.keyIds.length === 0 ? [] : [`key       ${status.membership.keyIds.join(', ')}`]),
    ...status.membership.strangers
      .slice(0, 5)
      .map(({ address, failures, lastAt }) => `stranger  a node at ${address} has another swarm key (${failures} times, last ${lastAt})`),
    `origin    ${originCalled(origin)}  ${origin.state}${reason}  ${origin.source}`,
    ...charterLines(status),
    ...status.registries.flatMap(mirrorLine),
    trustLine(status),
    `store     ${formatBytes(store.bytes)}${limit} in ${store.blobs} blobs, ${store.partial} unfinished, ${store.pinned} pinned${store.reason === null ? '' : `: ${store.reason}`}`,
    ...containerdLine(status),
    `received  ${formatBytes(traffic.fromPeersBytes)} from peers, ${formatBytes(traffic.fromOriginBytes)} from the origin${share}`,
    `sent      ${formatBytes(traffic.toPeersBytes)} to peers, ${formatBytes(traffic.toClientsBytes)} to clients`,
    ...status.bans.map(({ name, peerId, reason, until }) => `banned    ${nodeName({ name, peerId })} until ${until}: ${printable(reason)}`),
    '',
    formatPeers(status),
    '',
    formatTransfers(status),
    '',
    formatImages(status),
  ].join('\n');
}

/** The node, and each part that is not well. */
function healthLines({ level, sentence, since, parts }: NodeHealth): string[] {
  const ill = Object.entries(parts).filter(([, part]) => part.level === 'bad' || part.level === 'degraded');
  if (ill.length === 0) return [`health    ${level}: ${printable(sentence)}`];
  return [
    `health    ${level} since ${since}`,
    ...ill.map(([name, part]) => `  ${part.level.padEnd(8)} ${name}: ${printable(part.sentence)}`),
  ];
}

/** Which charter counts here, and who does not follow it. */
function charterLines({ charter }: StatusDocument): string[] {
  if (charter === null) return [];
  const { swarm, serial, behind, version, otherVersions, refused } = charter;
  const name = (member: { readonly name: string; readonly peerId: string }): string =>
    printable(member.name === '' ? member.peerId : member.name);
  return [
    `charter   ${serial === null ? `none of ${swarm} yet` : `${serial} of ${swarm}, ${behind.length === 0 ? 'followed by every member here' : `${behind.length} behind`}`}`,
    ...behind.map(
      (member) =>
        `  behind   ${name(member)}: ${member.serial === null ? 'knows of no operator' : member.serial === 0 ? 'follows none yet' : `follows ${member.serial}`}`,
    ),
    ...otherVersions.map((member) => `  version  ${name(member)}: ${printable(member.agent)}, where ${version} is wanted`),
    ...(refused === null ? [] : [`  refused  ${printable(refused)}`]),
  ];
}

/** A registry that is read beside the origin. */
function mirrorLine({ name, kind, url, state, reason }: StatusDocument['registries'][number]): string[] {
  return kind === 'mirror' ? [`mirror    ${name} from ${url}  ${state}${reason === null ? '' : ` (${printable(reason)})`}`] : [];
}

/** What this node shares beside its own store. */
function containerdLine({ containerd }: StatusDocument): string[] {
  if (containerd === null) return [];
  const { state, reason, blobs, bytes } = containerd;
  const trouble = state === 'ok' ? '' : `  ${state}${reason === null ? '' : ` (${printable(reason)})`}`;
  return [`runtime   ${formatBytes(bytes)} in ${blobs} blobs of containerd, shared from its own files${trouble}`];
}

/** Who may read what is here. */
function trustLine({ trust: { excludePatterns, excludedRepositories, sharedWith } }: StatusDocument): string {
  const excluded =
    excludePatterns === 0
      ? 'nothing is excluded'
      : `${excludedRepositories} ${excludedRepositories === 1 ? 'repository' : 'repositories'} here excluded by ${excludePatterns} ${excludePatterns === 1 ? 'pattern' : 'patterns'}`;
  return `trust     members may read what this node holds (${sharedWith} connected); ${excluded}`;
}

/** The receipt that a pull ends with. */
export function formatReceipt(receipt: Receipt): string {
  const { peerNames } = receipt;
  const peers = Object.entries(receipt.peers).sort(([, a], [, b]) => b - a);
  const how =
    receipt.result === 'done'
      ? receipt.verified
        ? 'every digest verified'
        : 'NOT verified'
      : `${receipt.result}: ${printable(receipt.error ?? '')}`;
  return [
    `${receipt.reference}${receipt.digest === '' ? '' : `  ${receipt.digest}`}${receipt.stale ? '  (stale: the origin cannot be asked)' : ''}`,
    `  ${formatBytes(receipt.bytes)} in ${formatSeconds(receipt.seconds)}, ${how}`,
    `  from the origin  ${formatBytes(receipt.fromOriginBytes)}`,
    `  from peers       ${formatBytes(receipt.fromPeersBytes)}${peers.length === 0 ? '' : ` from ${peers.length}`}`,
    ...peers.slice(0, 10).map(([peerId, bytes]) => `    ${nodeName({ name: peerNames[peerId] ?? '', peerId })}  ${formatBytes(bytes)}`),
    ...(peers.length > 10 ? [`    and ${peers.length - 10} more`] : []),
    `  was here         ${formatBytes(receipt.fromStoreBytes)}`,
    ...(receipt.stalls + receipt.retries > 0
      ? [
          `  ${receipt.stalls} ${receipt.stalls === 1 ? 'stall' : 'stalls'}, ${receipt.retries} ${receipt.retries === 1 ? 'retry' : 'retries'}`,
        ]
      : []),
  ].join('\n');
}

/** What a pull would fetch. */
export function formatPlan({ reference, digest, bytes, missingBytes, blobs }: PullPlan): string {
  const missing = blobs.filter(({ here }) => !here);
  return [
    `${reference}${digest === '' ? '' : `  ${digest}`}`,
    `  ${formatBytes(missingBytes)} of ${formatBytes(bytes)} would be fetched, ${missing.length} of ${blobs.length} blobs`,
    ...missing.map((blob) => `    ${shortDigest(blob.digest)}  ${formatBytes(blob.bytes)}`),
  ].join('\n');
}

/** Where a pull's time went: one sentence, then its phases, sources and blobs, slowest first. */
export function formatWhy(receipt: Receipt): string {
  const share = (seconds: number): string => (receipt.seconds === 0 ? '' : `${Math.round((seconds / receipt.seconds) * 100)} %`);
  const rate = (bytes: number): string => (receipt.seconds === 0 ? '' : `${formatBytes(bytes / receipt.seconds)}/s`);
  const sources = [
    { name: 'origin', peerId: '', bytes: receipt.fromOriginBytes },
    ...Object.entries(receipt.peers).map(([peerId, bytes]) => ({ name: receipt.peerNames[peerId] ?? '', peerId, bytes })),
  ];
  return [
    printable(receipt.verdict),
    `pull ${receipt.id} by ${receipt.client}, ${receipt.startedAt}${receipt.firstByteSeconds === null ? '' : `, first byte after ${formatSeconds(receipt.firstByteSeconds)}`}`,
    '',
    formatReceipt(receipt),
    '',
    table(
      [
        { label: 'WAITED', value: ({ waitedSeconds }) => formatSeconds(waitedSeconds), align: 'right' },
        { label: 'VERIFIED', value: ({ verifySeconds }) => formatSeconds(verifySeconds), align: 'right' },
      ],
      [receipt],
      '',
    ),
    '',
    table(
      [
        { label: 'SOURCE', value: nodeName },
        { label: 'SIZE', value: ({ bytes }) => formatBytes(bytes), align: 'right' },
        { label: 'RATE', value: ({ bytes }) => rate(bytes), align: 'right' },
      ],
      sources.sort((x, y) => y.bytes - x.bytes).slice(0, 20),
      '',
    ),
    '',
    table(
      [
        { label: 'PHASE', value: ({ name }) => name },
        { label: 'TIME', value: ({ seconds }) => formatSeconds(seconds), align: 'right' },
        { label: 'SHARE', value: ({ seconds }) => share(seconds), align: 'right' },
      ],
      receipt.phases,
      '',
    ),
    '',
    table(
      [
        { label: 'BLOB', value: ({ digest }) => shortDigest(digest) },
        { label: 'SIZE', value: ({ bytes }) => formatBytes(bytes), align: 'right' },
        { label: 'TIME', value: ({ source, seconds }) => (source === 'store' ? 'was here' : formatSeconds(seconds)), align: 'right' },
        { label: 'WAITED', value: ({ source, waitedSeconds }) => (source === 'store' ? '' : formatSeconds(waitedSeconds)), align: 'right' },
        { label: 'RATE', value: ({ bytes, seconds }) => (seconds === 0 ? '' : `${formatBytes(bytes / seconds)}/s`), align: 'right' },
        { label: 'ORIGIN', value: ({ fromOriginBytes }) => formatBytes(fromOriginBytes), align: 'right' },
        { label: 'PEERS', value: ({ fromPeersBytes }) => formatBytes(fromPeersBytes), align: 'right' },
        { label: 'STALLS', value: ({ stalls }) => String(stalls), align: 'right' },
        { label: 'RETRIES', value: ({ retries }) => String(retries), align: 'right' },
      ],
      [...receipt.blobs].sort((a, b) => b.seconds - a.seconds),
      'no blobs',
    ),
  ].join('\n');
}
