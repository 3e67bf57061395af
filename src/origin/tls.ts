import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { LayerswarmError } from '../errors.ts';

export interface TlsOptions {
  /** PEM file of authorities to trust beside the system's. */
  readonly caFile?: string | undefined;
  /** PEM files of a certificate that the registry asks its clients for. */
  readonly clientCert?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

/** Milliseconds. */
const KEEP_ALIVE = 30_000;

/**
 * The connections to a registry, and to the storage that it redirects to: that never sees the client certificate. Certificates are
 * always checked; whoever wants no TLS says http:// in the URL. HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured where they are set.
 * @throws LayerswarmError `config-invalid` when a file cannot be read
 */
export function makeDispatchers(tls: TlsOptions, connectTimeout: number): { registry: Dispatcher; storage: Dispatcher } {
  const ca = tls.caFile === undefined ? {} : { ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system')]), readPem(tls.caFile, 'CA certificates')] };
  const storage = makeAgent(ca, connectTimeout);
  if (tls.clientCert === undefined) return { registry: storage, storage };
  const cert = readPem(tls.clientCert.certFile, 'the client certificate');
  const key = readPem(tls.clientCert.keyFile, 'the key of the client certificate');
  return { registry: makeAgent({ ...ca, cert, key }, connectTimeout), storage };
}

function makeAgent(tls: { ca?: string[]; cert?: string; key?: string }, connectTimeout: number): Dispatcher {
  const options = { connect: { ...tls, timeout: connectTimeout }, keepAliveTimeout: KEEP_ALIVE, autoSelectFamily: true };
  const { env } = process;
  const proxied = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'].some((name) => (env[name] ?? '') !== '');
  return proxied ? new EnvHttpProxyAgent({ ...options, requestTls: options.connect }) : new Agent(options);
}

function readPem(path: string, what: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new LayerswarmError('config-invalid', `cannot read ${what} from ${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`, { cause: error });
  }
  if (!text.includes('-----BEGIN ')) throw new LayerswarmError('config-invalid', `${path} holds no PEM text; expected ${what}`);
  return text;
}
