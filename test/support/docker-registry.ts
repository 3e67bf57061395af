import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Cleanup } from './cleanup.ts';
import { startProgram } from './process.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

/** The user whom a registry with `basicAuth` lets in. */
export const REGISTRY_USER = { username: 'swarm', password: 'correct-horse' } as const;
// bcrypt, the only kind that distribution reads
const HTPASSWD = `${REGISTRY_USER.username}:$2y$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS\n`;

export interface DockerRegistryOptions {
  /** Storage; a temporary folder when absent. */
  readonly folder?: string;
  /** 0 or absent takes a free one. Given, a stopped registry can come back where it was. */
  readonly port?: number;
  readonly host?: string;
  readonly netns?: string;
  readonly basicAuth?: boolean;
  /** See `startTokenServer`. */
  readonly tokenAuth?: { readonly realm: string; readonly service: string; readonly issuer: string; readonly rootCertificate: string };
  /** Paths of PEM files: serve HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
  /** A pull-through cache of the registry at this URL. */
  readonly proxyOf?: string;
}

export interface LoggedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly status: number;
  readonly bodyBytes: number;
}

/** Debian's `docker-registry` (distribution 2.8) in a process of its own. Needs the tool `docker-registry`. */
export interface DockerRegistry {
  readonly url: string;
  /** host:port, as in references. */
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  readonly pid: number;
  /** Requests answered so far, from its access log. */
  requests(): LoggedRequest[];
  /** Body bytes of GET answers under /blobs/. */
  blobBytes(): number;
  /** Waits until the log holds `count` answers to requests that match, then returns them: the log may lag behind the answers. */
  waitForRequests(matches: (request: LoggedRequest) => boolean, count: number): Promise<LoggedRequest[]>;
  stop(): Promise<void>;
}

export async function startDockerRegistry(cleanup: Cleanup, options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const folder = options.folder ?? tempDir(cleanup, 'registry');
  const { host: address = '127.0.0.1', tls, tokenAuth } = options;
  mkdirSync(folder, { recursive: true });
  const passwords = join(folder, 'htpasswd');
  writeFileSync(passwords, HTPASSWD);
  const basic = options.basicAuth === true ? { htpasswd: { realm: 'test registry', path: passwords } } : undefined;
  const token =
    tokenAuth === undefined
      ? undefined
      : {
          token: {
            realm: tokenAuth.realm,
            service: tokenAuth.service,
            issuer: tokenAuth.issuer,
            rootcertbundle: tokenAuth.rootCertificate,
          },
        };
  const config = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: join(folder, 'data') },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: {
      addr: `${address}:${options.port ?? 0}`,
      secret: 'test',
      ...(tls === undefined
        ? {}
        : { tls: { key: tls.key, certificate: tls.cert, ...(tls.clientCa === undefined ? {} : { clientcas: [tls.clientCa] }) } }),
    },
    ...(options.proxyOf === undefined ? {} : { proxy: { remoteurl: options.proxyOf } }),
    ...(basic === undefined && token === undefined ? {} : { auth: { ...basic, ...token } }),
  };
  const configFile = join(folder, 'config.yml');
  writeFileSync(configFile, stringify(config));

  const program = startProgram(cleanup, 'docker-registry', ['serve', configFile], { netns: options.netns });
  const listening = await program.waitForOutput(/listening on [^\s"]+/);
  const port = Number(/:(\d+),?$/.exec(listening)?.[1]);
  if (!Number.isInteger(port)) throw new Error(`docker-registry does not say its port: ${listening}`);
  const host = `${address}:${port}`;
  const requests = (): LoggedRequest[] => parseAccessLog(program.stdout);
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    host,
    port,
    folder,
    pid: program.pid,
    requests,
    blobBytes: () =>
      requests()
        .filter(isBlobRead)
        .reduce((sum, { bodyBytes }) => sum + bodyBytes, 0),
    waitForRequests: (matches, count) =>
      waitFor(`${count} requests in the access log`, () => {
        const found = requests().filter(matches);
        return found.length >= count && found;
      }),
    async stop() {
      await program.stop();
    },
  };
}

export function isBlobRead({ method, url }: { readonly method: string; readonly url: string }): boolean {
  return method === 'GET' && /^\/v2\/.+\/blobs\/[^/]+$/.test(url.split('?', 1)[0]!);
}

/** Apache's combined format. */
function parseAccessLog(text: string): LoggedRequest[] {
  return [...text.matchAll(/^\S+ \S+ .+? \[[^\]]+\] "([A-Z]+) (\S+) HTTP\/[\d.]+" (\d{3}) (\d+)/gm)].map(
    ([, method, url, status, bytes]) => ({ method: method!, url: url!, status: Number(status), bodyBytes: Number(bytes) }),
  );
}
