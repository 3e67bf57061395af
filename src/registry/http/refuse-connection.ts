import type { Duplex } from 'node:stream';
import { ociErrorBody } from '../../oci/error-code.ts';

const TLS_HANDSHAKE = 0x16;

/** What a client did that is no HTTP request. */
export const MALFORMED_REQUESTS = ['tls-hello', 'header-overflow', 'timeout', 'malformed', 'gone'] as const;
export type MalformedRequest = (typeof MALFORMED_REQUESTS)[number];

/**
 * Answers bytes that are no HTTP request and closes the connection. dockerd and containerd try TLS first on a loopback registry
 * and fall back to plain HTTP as soon as they read an HTTP answer; silence would cost them a time-out.
 */
export function refuseConnection(error: Error & { code?: string; rawPacket?: Buffer }, socket: Duplex): MalformedRequest {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return 'gone';
  }
  const kind = classify(error);
  const { status, message } = ANSWERS[kind];
  const body = ociErrorBody('UNSUPPORTED', message);
  socket.end(
    Buffer.concat([
      Buffer.from(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`),
      body,
    ]),
    () => socket.destroy(),
  );
  return kind;
}

const ANSWERS = {
  'tls-hello': { status: '400 Bad Request', message: 'this port speaks plain HTTP; the client tried TLS' },
  'header-overflow': { status: '431 Request Header Fields Too Large', message: 'the request headers are too large' },
  timeout: { status: '408 Request Timeout', message: 'the request headers did not arrive in time' },
  malformed: { status: '400 Bad Request', message: 'this is not an HTTP/1.1 request' },
} as const;

function classify(error: { code?: string; rawPacket?: Buffer }): keyof typeof ANSWERS {
  if (error.rawPacket?.[0] === TLS_HANDSHAKE) return 'tls-hello';
  if (error.code === 'HPE_HEADER_OVERFLOW') return 'header-overflow';
  return error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'timeout' : 'malformed';
}
