import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { CleanupStack } from '../support/cleanup.ts';
import { isBlobRead } from '../support/docker-registry.ts';
import { type Fault, startFaultProxy } from '../support/fault-proxy.ts';
import { serve } from '../support/http-server.ts';

/** What the machine of the origin is told: each line of its control socket is one, and is answered with a line. */
export type OriginCommand =
  | { readonly do: 'inject'; readonly id: number; readonly fault: Fault; readonly on: 'blobs' | 'all'; readonly times?: number | undefined }
  | { readonly do: 'heal'; readonly id: number }
  /** Connections that came to the door so far. */
  | { readonly do: 'knocks' };

export interface OriginHostOptions {
  readonly address: string;
  readonly port: number;
  /** A port that nobody has a reason to connect to. */
  readonly doorPort: number;
  /** Where tokens are given, and for how many milliseconds they are good; none are asked for without. */
  readonly tokens: { readonly port: number; readonly lifetimeMs: number } | undefined;
  /** Where tags mean other images. */
  readonly falsePort: number;
  readonly upstream: string;
  /** Path of the control socket. */
  readonly control: string;
  /** Digests of manifests, by repository: what the false registry says. */
  readonly lies: Readonly<Record<string, string>>;
}

// The machine of the origin: a registry behind faults, a registry that lies, and a door. Its argument is its `OriginHostOptions` as JSON.
const options = JSON.parse(process.argv[2] ?? '') as OriginHostOptions;
const cleanup = new CleanupStack();
const proxy = await startFaultProxy(cleanup, options.upstream, { host: options.address, port: options.port });
await startFalseRegistry();
if (options.tokens !== undefined) await demandTokens(options.tokens);
const healers = new Map<number, () => void>();
let knocks = 0;
createServer((socket) => {
  knocks += 1;
  socket.destroy();
}).listen(options.doorPort, options.address);
createServer((socket) => {
  let text = '';
  socket
    .setEncoding('utf8')
    .on('error', () => undefined)
    .on('data', (part: string) => {
      text += part;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        socket.write(`${JSON.stringify(obey(JSON.parse(text.slice(0, end)) as OriginCommand))}\n`);
        text = text.slice(end + 1);
      }
    });
}).listen(options.control, () => {
  console.log('ready');
});

function obey(command: OriginCommand): unknown {
  switch (command.do) {
    case 'inject':
      healers.set(
        command.id,
        proxy.inject(command.fault, { match: command.on === 'blobs' ? isBlobRead : undefined, times: command.times }),
      );
      return {};
    case 'heal':
      healers.get(command.id)?.();
      return {};
    case 'knocks':
      return { knocks };
  }
}

/** What a token service says of its tokens' lives, in seconds. */
const SAID_LIFETIME = 300;

async function demandTokens({ port, lifetimeMs }: NonNullable<OriginHostOptions['tokens']>): Promise<void> {
  const ends = new Map<string, number>();
  const { url } = await serve(
    cleanup,
    (_request, response) => {
      const token = randomUUID();
      ends.set(`Bearer ${token}`, performance.now() + lifetimeMs);
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ token, expires_in: SAID_LIFETIME }));
    },
    { host: options.address, port },
  );
  proxy.inject(
    { kind: 'status', status: 401, headers: { 'www-authenticate': `Bearer realm="${url}/token",service="chaos"` } },
    { match: ({ headers }) => (ends.get(headers.authorization ?? '') ?? 0) < performance.now() },
  );
}

/** The registry itself, but that each tag means another image of its own. */
async function startFalseRegistry(): Promise<void> {
  const liar = await startFaultProxy(cleanup, options.upstream, { host: options.address, port: options.falsePort });
  for (const [repository, digest] of Object.entries(options.lies)) {
    const path = `/v2/${repository}/manifests/`;
    liar.inject(
      { kind: 'redirect', to: `/v2/${repository}/manifests/${digest}` },
      { match: ({ url }) => url.startsWith(path) && !url.includes('sha256:') },
    );
  }
}
