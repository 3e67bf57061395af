import type { Handlers } from '../control/control-server.ts';
import type { StatusSource } from '../status/status-source.ts';
import { parseImageName, type ImageNameOptions } from './image-name.ts';
import { parsePlatforms, type Preheat } from './preheat.ts';
import type { Puller } from './puller.ts';

export interface OperationParts {
  readonly view: StatusSource;
  readonly puller: Puller;
  readonly preheat: Preheat;
  readonly names: ImageNameOptions;
}

/** What the command line can ask for: looking, and bringing images here or to every node. */
export function controlHandlers({ view, puller, preheat, names }: OperationParts): Pick<Handlers, 'status' | 'receipts' | 'pull' | 'plan' | 'prefetch'> {
  return {
    status: async () => {
      await view.settled();
      return view.status();
    },
    receipts: async () => ({ receipts: view.receipts() }),

    pull: async ({ reference, platforms }, { signal, progress }) => (
      { receipt: await preheat.here(parseImageName(reference, names), { platforms: parsePlatforms(platforms), signal, onProgress: progress }) }),

    plan: async ({ reference, platforms }, { signal }) => await puller.plan(parseImageName(reference, names), { platforms: parsePlatforms(platforms), signal }),

    prefetch: async ({ reference, ...options }, { signal, progress }) => await preheat.everywhere(reference, { ...options, signal, onProgress: progress }),
  };
}
