import type { PinNode } from '../control/keep-operation.ts';
import { formatBytes } from '../quantity.ts';
import { nodeName, shortAddress } from './format.ts';
import { table } from './table.ts';

/** How each node fared that was to pin an image, or to keep it no longer. */
export function pinTable(nodes: readonly PinNode[], pinned: boolean): string {
  return table(
    [
      { label: 'NODE', value: nodeName },
      { label: 'ADDRESS', value: ({ address }) => shortAddress(address) },
      { label: 'ZONE', value: ({ zone }) => zone },
      { label: 'STATE', value: ({ state }) => state },
      ...(pinned
        ? [
            { label: 'HERE', value: ({ state, complete }: PinNode) => (state !== 'done' ? '' : complete ? 'complete' : 'partly') },
            { label: 'BYTES', value: ({ state, bytes }: PinNode) => (state === 'done' ? formatBytes(bytes) : ''), align: 'right' as const },
          ]
        : [{ label: 'WAS PINNED', value: ({ state, changed }: PinNode) => (state !== 'done' ? '' : changed ? 'yes' : 'no') }]),
      { label: 'REASON', value: ({ reason }) => reason ?? '' },
    ],
    nodes,
    'no node',
  );
}

/** As with purge, who asks for every node is told when one did not do it, whatever its reason. */
export function didAll(nodes: readonly PinNode[] | undefined): boolean {
  return nodes?.every(({ state }) => state === 'done') !== false;
}
