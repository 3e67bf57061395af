import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { serve } from './http-server.ts';
import { tempDir } from './temp-dir.ts';

export interface EngineRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

/** `lines`: a stream of JSON values, as push, pull and load answer. */
export type EngineAnswer =
  | { readonly status?: number; readonly json: unknown }
  | { readonly lines: readonly object[] }
  | { readonly bytes: Uint8Array }
  | { readonly hang: true };

export interface FakeEngine {
  /** As DOCKER_HOST. */
  readonly host: string;
  readonly requests: readonly EngineRequest[];
}

/** Says what a Docker Engine would, on a Unix socket of its own, or over TCP as an engine on another host. */
export async function startFakeEngine(
  cleanup: Cleanup,
  answer: (request: EngineRequest) => EngineAnswer | undefined,
  where: 'here' | 'elsewhere' = 'here',
): Promise<FakeEngine> {
  const requests: EngineRequest[] = [];
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    const take = async (): Promise<void> => {
      const request = await readRequest(incoming);
      requests.push(request);
      respond(response, answer(request));
    };
    take().catch(() => response.destroy());
  };
  const socket = join(tempDir(cleanup, 'engine'), 'docker.sock');
  const { host } = await serve(cleanup, listener, where === 'here' ? { path: socket } : {});
  return { host: where === 'here' ? `unix://${socket}` : `tcp://${host}`, requests };
}

async function readRequest(incoming: IncomingMessage): Promise<EngineRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://engine');
  return { method: incoming.method ?? '', path: decodeURIComponent(pathname), query: searchParams, body: Buffer.concat(chunks) };
}

function respond(response: ServerResponse, answer: EngineAnswer | undefined): void {
  if (answer === undefined) response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message":"no such thing"}');
  else if ('json' in answer)
    response.writeHead(answer.status ?? 200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer.json));
  else if ('lines' in answer)
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer.lines.map((line) => `${JSON.stringify(line)}\r\n`).join(''));
  else if ('bytes' in answer) response.writeHead(200, { 'Content-Type': 'application/x-tar' }).end(answer.bytes);
}
