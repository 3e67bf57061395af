import type { Handlers } from '../control/control-server.ts';
import type { StatusSource } from '../status/status-source.ts';
import { parseImageName, type ImageNameOptions } from './pull/image-name.ts';
import { parsePlatforms, type Preheat } from './keep/preheat.ts';
import type { Puller } from './pull/puller.ts';
import { type JobBoard, progressOfWave } from './swarm-view/job-board.ts';

export interface OperationParts {
  readonly view: StatusSource;
  readonly puller: Puller;
  readonly preheat: Preheat;
  readonly names: ImageNameOptions;
  readonly jobs: JobBoard;
}

/** What the command line can ask for: looking, and bringing images here or to every node. */
export function controlHandlers({
  view,
  puller,
  preheat,
  names,
  jobs,
}: OperationParts): Pick<Handlers, 'status' | 'receipts' | 'pull' | 'plan' | 'prefetch'> {
  return {
    status: async () => {
      await view.settled();
      return view.status();
    },
    receipts: async () => ({ receipts: view.receipts() }),

    pull: async ({ reference, platforms }, { signal, progress }) => ({
      receipt: await preheat.here(parseImageName(reference, names), { platforms: parsePlatforms(platforms), signal, onProgress: progress }),
    }),

    plan: async ({ reference, platforms }, { signal }) =>
      await puller.plan(parseImageName(reference, names), { platforms: parsePlatforms(platforms), signal }),

    prefetch: async ({ reference, ...options }, { signal, progress }) => {
      if (options.dryRun === true) return await preheat.everywhere(reference, { ...options, signal, onProgress: progress });
      return await jobs.run(
        'preheat',
        reference,
        async (report) =>
          await preheat.everywhere(reference, {
            ...options,
            signal,
            onProgress: (wave) => {
              report(progressOfWave(wave));
              progress(wave);
            },
          }),
      );
    },
  };
}
