import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** Key and certificate of one bulk port, in PEM, and what peers pin. */
export interface BulkIdentity {
  readonly key: string;
  readonly certificate: string;
  readonly fingerprint: Buffer;
}

/** Object identifiers, encoded: RFC 5758 (ecdsa-with-SHA256) and RFC 5280 (commonName). */
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('550403', 'hex');

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
/** [0] EXPLICIT, the version of a certificate. */
const VERSION = 0xa0;

/**
 * Makes a P-256 key and a self-signed certificate for it (RFC 5280), anew at each start. Nothing in it means anything: the peers
 * tell each other its fingerprint. Written out here because it is one fixed structure, and the libraries for X.509 take a quarter
 * of a second to load.
 */
export function makeBulkIdentity(): BulkIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = der(SEQUENCE, der(OBJECT_IDENTIFIER, ECDSA_WITH_SHA256));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, der(OBJECT_IDENTIFIER, COMMON_NAME), der(UTF8_STRING, Buffer.from('layerswarm')))));
  // RFC 5280, 4.1.2.5: no well-defined expiration. Clocks of new machines are wrong often enough.
  const validity = der(
    SEQUENCE,
    der(GENERALIZED_TIME, Buffer.from('20000101000000Z')),
    der(GENERALIZED_TIME, Buffer.from('99991231235959Z')),
  );
  const body = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.of(2))),
    // Positive, and without a leading zero.
    der(INTEGER, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const certificate = der(SEQUENCE, body, algorithm, der(BIT_STRING, Buffer.of(0), sign('sha256', body, privateKey)));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    fingerprint: fingerprintOf(certificate),
  };
}

/** SHA-256 of a certificate in DER. */
export function fingerprintOf(certificate: Uint8Array): Buffer {
  return createHash('sha256').update(certificate).digest();
}

/** One value: tag, length in its shortest form, content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(content.length);
  return Buffer.concat([content.length < 0x100 ? Buffer.of(tag, 0x81, content.length) : Buffer.of(tag, 0x82, ...length), content]);
}
