import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { LayerswarmError } from '../../../errors.ts';
import { fingerprintOf, type BulkIdentity } from './certificate.ts';

/** The threads of a node share its bulk port: by this name one takes what is for it, and refuses the rest before the handshake has cost anything. */
export function bulkAlpn(thread: number): string {
  return `layerswarm-bulk/2.${thread}`;
}

/** TLS 1.3 alone, with the one suite that processors are fastest at. */
export function tlsOptions({ key, certificate }: BulkIdentity): SecureContextOptions {
  return { key, cert: certificate, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' };
}

/**
 * For the thread that the connection is to, the fingerprint of the certificate whose key the other end has just proven to hold.
 * @throws `peer-misbehaved` when the handshake was not one of ours
 */
export function peerFingerprint(socket: TLSSocket, thread: number): Buffer {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new LayerswarmError('peer-misbehaved', 'the bulk connection came without a certificate');
  if (socket.alpnProtocol !== bulkAlpn(thread))
    throw new LayerswarmError('peer-misbehaved', `the bulk connection is not for ${bulkAlpn(thread)}`);
  if (socket.isSessionReused()) throw new LayerswarmError('peer-misbehaved', 'the bulk connection resumes an earlier session');
  return fingerprintOf(certificate.raw);
}
