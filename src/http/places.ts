import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface PlaceLimits {
  /** Connections at a time. */
  readonly total: number;
  /** The same from one address, or one IPv6 network of 64 bits. */
  readonly perAddress: number;
}

interface Place {
  readonly address: string;
  /** Requests that are being answered. */
  busy: number;
}

/**
 * Bounds the connections of a server, so that those of one address leave room for others. Where there is none, the connection that
 * has been idle for the longest goes: of the same address, or else of the one that has the most. One that is being answered never does.
 * @returns how many there are
 */
export function limitPlaces(server: Server, { total, perAddress }: PlaceLimits): () => number {
  // in the order in which they were last used
  const places = new Map<Socket, Place>();
  const counts = new Map<string, number>();
  const touch = (socket: Socket, change: number): void => {
    const place = places.get(socket);
    if (place === undefined) return;
    place.busy += change;
    places.delete(socket);
    places.set(socket, place);
  };
  const release = (socket: Socket): void => {
    const place = places.get(socket);
    if (place === undefined) return;
    places.delete(socket);
    const left = (counts.get(place.address) ?? 0) - 1;
    if (left > 0) counts.set(place.address, left);
    else counts.delete(place.address);
  };
  const freeOne = (address: string): boolean => {
    for (const [socket, place] of places) {
      if (place.address !== address || place.busy > 0) continue;
      release(socket);
      socket.destroy();
      return true;
    }
    return false;
  };
  server.on('connection', (socket: Socket) => {
    const address = networkOf(socket.remoteAddress ?? '');
    const isFull = (counts.get(address) ?? 0) >= perAddress ? !freeOne(address) : places.size >= total && !freeOne(mostUsed(counts));
    if (isFull) {
      socket.destroy();
      return;
    }
    places.set(socket, { address, busy: 0 });
    counts.set(address, (counts.get(address) ?? 0) + 1);
    socket.once('close', () => release(socket));
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    touch(socket, 1);
    response.once('close', () => touch(socket, -1));
  });
  return () => places.size;
}

/** An IPv4 address, also as IPv6 writes it; of IPv6 the network, since a host has all of that. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const all =
    tail === undefined
      ? groups
      : [...groups, ...Array.from({ length: Math.max(0, 8 - groups.length - after.length) }, () => '0'), ...after];
  return `${all.slice(0, 4).join(':')}::`;
}

function mostUsed(counts: ReadonlyMap<string, number>): string {
  let most = '';
  for (const [address, count] of counts) if (count > (counts.get(most) ?? 0)) most = address;
  return most;
}
