import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { LayerswarmError } from '../errors.ts';
import { admittedBy, guardedLookup, type Admits } from './guarded-lookup.ts';

export interface TlsOptions {
  /** PEM file of authorities to trust beside the system's. */
  readonly caFile?: string | undefined;
  /** PEM text of more of them. */
  readonly caText?: string | undefined;
  /** PEM files of a certificate that the registry asks its clients for. */
  readonly clientCert?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

/** Milliseconds. */
const KEEP_ALIVE = 30_000;

interface Pem {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** All that it takes to open connections to a registry, also from another thread. */
export interface ConnectionOptions extends TlsOptions {
  /** Of the registry. */
  readonly url: string;
  /** By this host's own configuration, so that it may be anywhere; where a member's word leads is checked as a redirect is. */
  readonly isNamed: boolean;
  /** As of `RegistryOptions`. */
  readonly redirects: readonly string[];
  readonly connectMs: number;
}

export interface Dispatchers {
  readonly registry: Dispatcher;
  readonly storage: Dispatcher;
}

/**
 * The connections to a registry, and to the storage and token service that it leads to: those never see the client certificate, and
 * are only where `admits` lets them be. Certificates are
 * always checked; whoever wants no TLS says http:// in the URL. HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured where they are set.
 * @throws LayerswarmError `config-invalid` when a file cannot be read
 */
export function makeDispatchers({ url, isNamed, redirects, connectMs, caFile, caText, clientCert }: ConnectionOptions): Dispatchers {
  const authorities = [...(caFile === undefined ? [] : [readPem(caFile, 'CA certificates')]), ...(caText === undefined ? [] : [caText])];
  const ca = authorities.length === 0 ? {} : { ca: authorities.join('\n') };
  const storage = makeAgent(ca, connectMs, admittedBy(new URL(url), isNamed, redirects));
  if (!isNamed) return { registry: storage, storage };
  if (clientCert === undefined) return { registry: makeAgent(ca, connectMs), storage };
  const cert = readPem(clientCert.certFile, 'the client certificate');
  const key = readPem(clientCert.keyFile, 'the key of the client certificate');
  return { registry: makeAgent({ ...ca, cert, key }, connectMs), storage };
}

/** A proxy resolves names by itself, and is where the operator says: what goes through one is checked by `checkHost` alone. */
function makeAgent(pem: Pem, timeout: number, admits?: Admits): Dispatcher {
  const { env } = process;
  const proxied = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'].some((name) => (env[name] ?? '') !== '');
  if (!proxied) return new Agent({ connect: lazyConnector(pem, timeout, admits), keepAliveTimeout: KEEP_ALIVE });
  const connect = { timeout, secureContext: secureContext(pem) };
  return new EnvHttpProxyAgent({ connect, requestTls: connect, keepAliveTimeout: KEEP_ALIVE });
}

/** Reading a few hundred authorities takes a tenth of a second of CPU: done once, at the first TLS connection, not at start. */
function lazyConnector(pem: Pem, timeout: number, admits: Admits | undefined): buildConnector.connector {
  const guard = { lookup: guardedLookup(admits ?? (() => true)) };
  const plain = buildConnector({ timeout, ...guard });
  let secure: buildConnector.connector | undefined;
  return (options, callback) => {
    if (options.protocol !== 'https:') {
      plain(options, callback);
      return;
    }
    secure ??= buildConnector({ timeout, ...guard, secureContext: secureContext(pem) });
    secure(options, callback);
  };
}

/** Trusts what other programs on this host trust; Node's own list only where the system has none. */
function secureContext({ ca, ...client }: Pem): SecureContext {
  const system = getCACertificates('system');
  const authorities = [
    ...(system.length > 0 ? system : getCACertificates('bundled')),
    ...getCACertificates('extra'),
    ...(ca === undefined ? [] : [ca]),
  ];
  return createSecureContext({ ...client, ca: [...new Set(authorities)] });
}

function readPem(path: string, what: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new LayerswarmError(
      'config-invalid',
      `cannot read ${what} from ${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`,
      { cause: error },
    );
  }
  if (!text.includes('-----BEGIN ')) throw new LayerswarmError('config-invalid', `${path} holds no PEM text; expected ${what}`);
  return text;
}
