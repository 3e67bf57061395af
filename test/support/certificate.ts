import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { runOk } from './process.ts';
import { tempDir } from './temp-dir.ts';

/** Paths of PEM files and what is in them. */
export interface Certificate {
  readonly keyFile: string;
  readonly certFile: string;
  readonly key: string;
  readonly cert: string;
}

/** An authority of the test's own, and certificates by it for 127.0.0.1 and localhost, made with openssl. */
export interface CertificateAuthority extends Certificate {
  issue(name: string): Promise<Certificate>;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export async function makeCertificateAuthority(cleanup: Cleanup): Promise<CertificateAuthority> {
  const folder = tempDir(cleanup, 'ca');
  const file = (name: string): string => join(folder, name);
  await runOk('openssl', [
    'req',
    '-x509',
    ...EC,
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.crt'),
  ]);
  const ca = read(file('ca.key'), file('ca.crt'));
  return {
    ...ca,
    async issue(name) {
      const extensions = file(`${name}.ext`);
      writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
      const [key, request, cert] = [file(`${name}.key`), file(`${name}.csr`), file(`${name}.crt`)];
      await runOk('openssl', ['req', ...EC, '-subj', `/CN=${name}`, '-keyout', key, '-out', request]);
      await runOk('openssl', [
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        ca.certFile,
        '-CAkey',
        ca.keyFile,
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        extensions,
        '-out',
        cert,
      ]);
      return read(key, cert);
    },
  };
}

function read(keyFile: string, certFile: string): Certificate {
  return { keyFile, certFile, key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
}
