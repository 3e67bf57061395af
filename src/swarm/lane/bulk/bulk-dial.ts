import { setTimeout as delay } from 'node:timers/promises';
import type { OnReadOpts } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { onAbort } from '../../../async/abort.ts';
import { LayerswarmError } from '../../../errors.ts';
import type { BulkAddress } from './bulk-address.ts';
import type { BulkIdentity } from './certificate.ts';
import { MAX_THREADS } from '../route.ts';
import { bulkAlpn, peerFingerprint, tlsOptions } from './tls-settings.ts';
import { ReadArena } from './tls-transport.ts';

/** The next address is tried when the one before has not answered after this time. */
const NEXT_ADDRESS_MS = 250;
/**
 * The kernel gives a connection to any of the threads that share a port; one that it is not for says so in its first answer. Of four threads
 * the right one is missed so often in a row once in a hundred million times.
 */
const MAX_DIALS = 16 * MAX_THREADS;
/** RFC 7301, as OpenSSL reports it. */
const OTHER_THREAD = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';

export interface BulkCredentials {
  /** SHA-256 of the certificate that the peer told over its Noise connection. */
  readonly fingerprint: Uint8Array;
  readonly ticket: Uint8Array;
  /** Of the peer. */
  readonly thread: number;
}

export interface Dialled {
  readonly socket: TLSSocket;
  readonly arena: ReadArena;
}

/**
 * Connects to the first address that answers as the peer, and shows the ticket there.
 * @throws what the last attempt threw
 */
export async function dialFirst(
  identity: BulkIdentity,
  addresses: readonly BulkAddress[],
  credentials: BulkCredentials,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Dialled> {
  const won = new AbortController();
  const attempts = addresses.map(async (address, i) => {
    const either = AbortSignal.any([signal, won.signal]);
    if (i > 0) await delay(i * NEXT_ADDRESS_MS, undefined, { signal: either });
    const dialled = await dialThread(identity, address, credentials, timeoutMs, either);
    if (won.signal.aborted) {
      dialled.socket.destroy();
      throw new LayerswarmError('aborted', 'another address answered first');
    }
    won.abort();
    return dialled;
  });
  const dialled = await Promise.any(attempts).catch((error: unknown) => {
    throw (error as AggregateError).errors.at(-1) ?? new LayerswarmError('peer-gone', 'the peer told no address of its bulk port');
  });
  dialled.socket.write(credentials.ticket);
  return dialled;
}

/** Connects until it is to the thread that is meant. @throws as `dialBulk` */
async function dialThread(
  identity: BulkIdentity,
  address: BulkAddress,
  credentials: BulkCredentials,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Dialled> {
  for (let dials = 1; ; dials++) {
    try {
      return await dialBulk(identity, address, credentials, timeoutMs, signal);
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
      if (code !== OTHER_THREAD || dials === MAX_DIALS) throw error;
    }
  }
}

/**
 * Connects to a bulk port, and makes certain who has it.
 * @throws `peer-gone` (cannot be reached), `timeout`, `peer-misbehaved` (it is somebody else), `aborted`
 */
async function dialBulk(
  identity: BulkIdentity,
  { host, port }: BulkAddress,
  { fingerprint, thread }: BulkCredentials,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Dialled> {
  const where = `${host}:${port}`;
  const arena = new ReadArena();
  // `onread` is documented for both, and typed for plain sockets alone.
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    ...tlsOptions(identity),
    host,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: [bulkAlpn(thread)],
    onread: arena.onread,
  };
  const socket = connect(options);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    reject(new LayerswarmError('timeout', `the bulk port ${where} did not answer within ${timeoutMs} ms`));
  }, timeoutMs);
  const onError = (cause: Error): void => {
    reject(new LayerswarmError('peer-gone', `the bulk port ${where} cannot be reached`, { cause }));
  };
  socket.once('secureConnect', resolve);
  socket.on('error', onError);
  using _ = onAbort(signal, () => {
    reject(new LayerswarmError('aborted', `dialling ${where} was aborted`, { cause: signal.reason }));
  });
  try {
    await promise;
    if (Buffer.compare(peerFingerprint(socket, thread), fingerprint) !== 0)
      throw new LayerswarmError('peer-misbehaved', `the bulk port ${where} has another certificate than the peer said`);
    return { socket, arena };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off('error', onError);
    // A socket without any listener would end the process on its next error.
    socket.on('error', () => undefined);
  }
}
