import { X509Certificate } from 'node:crypto';
import test from 'ava';
import { fingerprintOf, makeBulkIdentity } from '../../../../../src/swarm/lane/bulk/certificate.ts';

test('a certificate is self-signed, for its own key, without an end, and has the fingerprint that peers pin', (t) => {
  const identity = makeBulkIdentity();
  const certificate = new X509Certificate(identity.certificate);
  t.true(certificate.verify(certificate.publicKey));
  t.is(certificate.subject, 'CN=layerswarm');
  t.is(certificate.issuer, certificate.subject);
  t.is(certificate.validTo, 'Dec 31 23:59:59 9999 GMT');
  t.is(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.deepEqual(fingerprintOf(certificate.raw), identity.fingerprint);
});

test('no two are alike', (t) => {
  const certificates = Array.from({ length: 20 }, () => new X509Certificate(makeBulkIdentity().certificate));
  t.is(new Set(certificates.map(({ serialNumber }) => serialNumber)).size, 20);
  t.is(new Set(certificates.map(({ fingerprint256 }) => fingerprint256)).size, 20);
});
