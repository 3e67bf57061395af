import { LayerswarmError } from '../../errors.ts';
import { transportFailure } from '../../origin/origin-error.ts';
import type { RegistryRequest } from '../../origin/registry-request.ts';
import type { Dispatchers } from '../../origin/tls.ts';
import { type Answer, exchange } from '../../origin/transport.ts';
import type { PortRpc } from './port-rpc.ts';
import type { MainMethods, OriginRef, PortAnswer, PortExchange, WorkerMethods } from './thread-protocol.ts';

/** A request that is on its way, as whoever made it sees it. */
interface Pending {
  readonly dispatchers: Dispatchers;
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

/** Requests and answers of all registries that this thread reads from. */
export class WorkerAnswers {
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #pending = new Map<number, Pending>();
  readonly #answers = new Map<number, Answer>();
  #nextId = 0;

  constructor(main: () => PortRpc<WorkerMethods, MainMethods>) {
    this.#main = main;
  }

  readonly handlers = {
    originExchange: async (wanted: PortExchange): Promise<PortAnswer> => {
      const pending = this.#pending.get(wanted.request);
      if (pending === undefined) throw new LayerswarmError('aborted', 'nobody waits for this answer any more');
      const { dispatchers, what, signal } = pending;
      const url = new URL(wanted.url);
      try {
        const answer = await exchange(dispatchers[wanted.way], { ...wanted, method: 'GET', url, signal });
        const id = this.#nextId++;
        this.#answers.set(id, answer);
        answer.onClose(() => {
          this.#main().notify('originClosed', { answer: id });
        });
        return { answer: id, status: answer.status, headers: answer.headers };
      } catch (error) {
        const {
          error: { code, message },
          transient,
          outage,
        } = transportFailure(what, url.host, error, signal);
        return { code, message, transient, outage };
      }
    },
    originExcerpt: async ({ answer, limit }: { answer: number; limit: number }): Promise<Uint8Array> =>
      Uint8Array.from((await this.#take(answer)?.excerpt(limit)) ?? []),
    originDiscard: ({ answer }: { answer: number }): void => {
      this.#take(answer)?.discard();
    },
  };

  /** @throws as `Origin` says */
  async send(
    origin: OriginRef,
    dispatchers: Dispatchers,
    { what, target, access, accept, headers = {}, locationKey, signal }: RegistryRequest,
  ): Promise<Answer> {
    const request = this.#nextId++;
    this.#pending.set(request, { dispatchers, what, signal });
    try {
      const id = await this.#main().call(
        'originSend',
        {
          origin: origin.id,
          request,
          what: { what, access, accept, headers, target: String(target), ...(locationKey === undefined ? {} : { locationKey }) },
        },
        { signal },
      );
      return this.#take(id)!;
    } finally {
      this.#pending.delete(request);
    }
  }

  #take(id: number): Answer | undefined {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    return answer;
  }
}
