import { CELL } from '../../swarm/exchange/core/strip.ts';
import type { MessageOf } from '../../swarm/protocol/message.ts';
import type { TransferStatus } from '../../swarm/swarm.ts';
import { listedSources } from './message-values.ts';

type TransferSummary = MessageOf<'summary'>['transfers'][number];

/** A transfer that runs, as a summary has it. */
export function transferOf({
  digest,
  repository,
  state,
  sizeBytes,
  haveBytes,
  bytesPerSecond,
  fromOriginBytes,
  fromPeers,
  strip,
}: TransferStatus): TransferSummary {
  const sources = listedSources(fromOriginBytes, fromPeers);
  return {
    blob: digest.toString(),
    repository: repository.slice(0, 255),
    state: state as TransferSummary['state'],
    ...(sizeBytes === undefined ? {} : { size: sizeBytes }),
    haveBytes,
    bytesPerSecond,
    sources: sources.map(([source, bytes]) => ({ source, bytes })),
    strip:
      strip === undefined
        ? []
        : stripOf(
            strip,
            [...fromPeers.keys()],
            sources.map(([source]) => source),
          ),
  };
}

/** A transfer's strip, as the message has it. `listed`: the sources that the message names. */
function stripOf(strip: Uint8Array, peers: readonly string[], listed: readonly string[]): number[] {
  const places = new Map(listed.map((source, index) => [source, index]));
  return Array.from(strip, (cell) => {
    if (cell === CELL.missing) return -1;
    if (cell === CELL.here) return -2;
    return places.get(cell === CELL.origin ? 'origin' : (peers[cell - CELL.firstPeer] ?? '')) ?? -3;
  });
}
