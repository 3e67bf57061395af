import type { MessageStream } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';

/** As much is worth a message of its own: bulk must not wait, and comes in frames that fill one. */
const BULK_BYTES = 4096;
/** A yamux frame without data; its second byte is the type, then flags and, at the end, the length. */
const HEADER_BYTES = 12;
const WINDOW_UPDATE = 1;
/** While much is sent, it is gathered this long; after a pause the first goes in the next turn of the event loop. */
const GATHER_MS = 5;
/** yamux answers each data frame with a window update. They go with what is sent next, or after this time, or when they give this much. */
const HOLD_MS = 1000;
const HELD_WINDOW_BYTES = 64 * 1024;

/**
 * Makes a connection send what it is given within a few milliseconds as one message. Each message costs an encryption and two
 * writes on this side and as much on the other, ten times what its few bytes do.
 */
export function gatherSends(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  const close = connection.close.bind(connection);
  let waiting = new Uint8ArrayList();
  let heldWindow = 0;
  let flushedAt = 0;
  let soon: NodeJS.Timeout | undefined;
  let turn: NodeJS.Immediate | undefined;
  let later: NodeJS.Timeout | undefined;
  let saturated = false;

  const flush = (): void => {
    clearTimeout(soon);
    clearImmediate(turn);
    clearTimeout(later);
    soon = later = turn = undefined;
    heldWindow = 0;
    flushedAt = performance.now();
    if (waiting.byteLength === 0) return;
    const message = waiting;
    waiting = new Uint8ArrayList();
    saturated = !send(message);
  };
  connection.addEventListener('drain', () => { saturated = false; });
  connection.addEventListener('close', () => {
    clearTimeout(soon);
    clearImmediate(turn);
    clearTimeout(later);
  });
  connection.send = (data) => {
    const window = windowUpdate(data);
    waiting.append(data);
    heldWindow += window ?? 0;
    if (waiting.byteLength >= BULK_BYTES || heldWindow >= HELD_WINDOW_BYTES) flush();
    else if (window !== undefined) later ??= setTimeout(flush, HOLD_MS).unref();
    else if (soon === undefined && turn === undefined) {
      const wait = GATHER_MS - (performance.now() - flushedAt);
      if (wait > 0) soon = setTimeout(flush, wait);
      else turn = setImmediate(flush);
    }
    return !saturated;
  };
  connection.close = async (options) => {
    flush();
    await close(options);
  };
  return connection;
}

/** Bytes that a window update without flags gives; undefined for anything else. */
function windowUpdate(data: Uint8Array | Uint8ArrayList): number | undefined {
  if (data.byteLength !== HEADER_BYTES || !(data instanceof Uint8Array) || data[1] !== WINDOW_UPDATE || data[2] !== 0 || data[3] !== 0) return undefined;
  return new DataView(data.buffer, data.byteOffset).getUint32(8);
}
