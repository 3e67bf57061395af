import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { LayerswarmError, type ErrorCode } from '../errors.ts';
import { readAgentFile } from './agent-file.ts';
import type { AnswerLine, OperationName, Operations } from './operations.ts';

/** The agent writes something every 5 s; silence beyond this means that it hangs. */
const SILENCE_TIMEOUT_MS = 30_000;

export interface CallOptions<N extends OperationName> {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Operations[N]['progress']) => void;
}

/** Talks to the agent of one data directory, over its control socket. */
export class ControlClient {
  readonly #socket: string;
  readonly #data: string;

  private constructor(socket: string, data: string) {
    this.#socket = socket;
    this.#data = data;
  }

  /** @throws `agent-unreachable` when no agent runs there */
  static async connect(data: string): Promise<ControlClient> {
    return new ControlClient((await readAgentFile(data)).socket, data);
  }

  /** Runs one operation to its end. @throws what the agent answered, `agent-unreachable`, `aborted` */
  async call<N extends OperationName>(
    name: N,
    request: Operations[N]['request'],
    options: CallOptions<N> = {},
  ): Promise<Operations[N]['result']> {
    const response = await this.#post(name, JSON.stringify(request), options.signal);
    try {
      for await (const line of createInterface({ input: response })) {
        if (line === '') continue;
        const answer = JSON.parse(line) as AnswerLine<N>;
        if ('result' in answer) return answer.result;
        if ('error' in answer)
          throw new LayerswarmError(answer.error.code as ErrorCode, answer.error.message, { detail: answer.error.detail ?? {} });
        options.onProgress?.(answer.progress);
      }
    } catch (error) {
      if (error instanceof LayerswarmError) throw error;
      throw options.signal?.aborted === true ? aborted(name, error) : this.#unreachable('broke off its answer', error);
    }
    throw options.signal?.aborted === true ? aborted(name, undefined) : this.#unreachable('broke off its answer', undefined);
  }

  async #post(name: OperationName, body: string, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpRequest(
      {
        socketPath: this.#socket,
        path: `/v1/${name}`,
        method: 'POST',
        agent: false,
        timeout: SILENCE_TIMEOUT_MS,
        headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
        ...(signal === undefined ? {} : { signal }),
      },
      resolve,
    );
    request.once('error', reject);
    request.once('timeout', () =>
      request.destroy(this.#unreachable(`has not said anything for ${SILENCE_TIMEOUT_MS / 1000} s`, undefined)),
    );
    request.end(body);
    try {
      return await promise;
    } catch (error) {
      if (error instanceof LayerswarmError) throw error;
      if (signal?.aborted === true) throw aborted(name, error);
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES')
        throw new LayerswarmError(
          'agent-unreachable',
          `this user may not use the agent's socket ${this.#socket}: run the command as the agent's user or in its configured group`,
          { cause: error },
        );
      throw this.#unreachable(code === 'ENOENT' || code === 'ECONNREFUSED' ? 'is gone' : `cannot be reached (${code ?? 'error'})`, error);
    }
  }

  #unreachable(what: string, cause: unknown): LayerswarmError {
    return new LayerswarmError(
      'agent-unreachable',
      `the agent of ${this.#data} ${what}: see its log, or start it again with "layerswarm agent --data ${this.#data}"`,
      { cause },
    );
  }
}

/** What becomes of what an operation began when its caller goes away. */
const AFTERWARDS: Partial<Record<OperationName, string>> = {
  pull: 'unless somebody else waits for it, the agent stops within 30 s; what it has is kept, and the same command goes on from there',
  prefetch: 'this node stops, and members go on with what they were asked for; the same command joins them again',
  seed: 'the agent stops too; blobs that arrived are kept, and the tag is as it was unless it was set already',
  'replicate-run': 'the agent goes on with what waits; see "layerswarm replicate status"',
  pin: 'some nodes may have done it: "layerswarm pin" without a reference lists what is kept',
  unpin: 'some nodes may have done it: "layerswarm pin" without a reference lists what is kept',
  purge: 'what was removed by then is gone; run it again to be sure of the rest',
  verify: 'the agent stops too; run it again to check the rest',
  gc: 'what was removed by then is gone',
};

function aborted(name: OperationName, cause: unknown): LayerswarmError {
  const afterwards = AFTERWARDS[name];
  return new LayerswarmError('aborted', afterwards === undefined ? 'interrupted' : `interrupted: ${afterwards}`, { cause });
}
