import { request as httpRequest } from 'node:http';
import type { Cleanup } from './cleanup.ts';
import { type RunningServer, serve } from './http-server.ts';

export interface RegistryUnderPath extends RunningServer {
  /** Paths that were asked for. */
  readonly asked: readonly string[];
}

/** A registry at `upstream` as a proxy gives it under a path: what begins with `path` goes to `/v2/`, and all else is 404. */
export async function startRegistryUnderPath(cleanup: Cleanup, upstream: string, path: string): Promise<RegistryUnderPath> {
  const asked: string[] = [];
  const server = await serve(cleanup, (request, response) => {
    const url = request.url ?? '/';
    asked.push(url);
    if (!url.startsWith(path) || url === path) {
      request.resume();
      response.writeHead(404).end();
      return;
    }
    const passed = httpRequest(
      new URL(`/v2/${url.slice(path.length)}`, upstream),
      { method: request.method ?? 'GET', headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    request.pipe(passed);
  });
  return { ...server, asked };
}
