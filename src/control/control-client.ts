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
  async call<N extends OperationName>(name: N, request: Operations[N]['request'], options: CallOptions<N> = {}): Promise<Operations[N]['result']> {
    const response = await this.#post(`/v1/${name}`, JSON.stringify(request), options.signal);
    try {
      for await (const line of createInterface({ input: response })) {
        if (line === '') continue;
        const answer = JSON.parse(line) as AnswerLine<N>;
        if ('result' in answer) return answer.result;
        if ('error' in answer) throw new LayerswarmError(answer.error.code as ErrorCode, answer.error.message, { detail: answer.error.detail ?? {} });
        options.onProgress?.(answer.progress);
      }
    } catch (error) {
      if (error instanceof LayerswarmError) throw error;
      throw options.signal?.aborted === true ? aborted(error) : this.#unreachable('broke off its answer', error);
    }
    throw options.signal?.aborted === true ? aborted(undefined) : this.#unreachable('broke off its answer', undefined);
  }

  async #post(path: string, body: string, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpRequest({
      socketPath: this.#socket, path, method: 'POST', agent: false, timeout: SILENCE_TIMEOUT_MS,
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
      ...(signal === undefined ? {} : { signal }),
    }, resolve);
    request.once('error', reject);
    request.once('timeout', () => request.destroy(this.#unreachable(`has not said anything for ${SILENCE_TIMEOUT_MS / 1000} s`, undefined)));
    request.end(body);
    try {
      return await promise;
    } catch (error) {
      if (error instanceof LayerswarmError) throw error;
      if (signal?.aborted === true) throw aborted(error);
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES') throw new LayerswarmError('agent-unreachable', `this user may not use the agent's socket ${this.#socket}: run the command as the agent's user or in its configured group`, { cause: error });
      throw this.#unreachable(code === 'ENOENT' || code === 'ECONNREFUSED' ? 'is gone' : `cannot be reached (${code ?? 'error'})`, error);
    }
  }

  #unreachable(what: string, cause: unknown): LayerswarmError {
    return new LayerswarmError('agent-unreachable', `the agent of ${this.#data} ${what}: see its log, or start it again with "layerswarm agent --data ${this.#data}"`, { cause });
  }
}

function aborted(cause: unknown): LayerswarmError {
  return new LayerswarmError('aborted', 'interrupted', { cause });
}
