import type { PrefetchReport, PullPlan } from '../../control/prefetch-operation.ts';
import type { ControlClient } from '../../control/control-client.ts';
import { errorCode, LayerswarmError, type ErrorCode } from '../../errors.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import { connectToAgent } from '../agent-client.ts';
import type { CommandContext, DefineCommand } from '../command.ts';
import { exitCode } from '../exit-code.ts';
import { checkPlatforms, checkReference } from '../given.ts';
import { onInterrupt } from '../interrupt.ts';
import type { LoadedImage } from '../load-into-docker.ts';

interface Flags {
  readonly file?: string;
  readonly platform: readonly string[];
  readonly all?: boolean;
  readonly zone?: string;
  readonly docker?: boolean;
  readonly dryRun?: boolean;
}

interface Failure {
  readonly reference: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export const define: DefineCommand = (command, context, setExitCode) => {
  command
    .argument('[reference...]', 'images, such as team/app:1.0 or registry.example/team/app@sha256:…')
    .description('Brings images to this node, or to every node, through the swarm.')
    .option('--file <list>', 'references from a file, one a line, # for comments; - for standard input')
    .option(
      '--platform <platform>',
      "which images of an index: linux/arm64, say, or all; may be given several times; each host's own by default",
      collect,
      [],
    )
    .option('--all', 'on every node of the swarm that allows it')
    .option('--zone <zone>', 'on every node of that zone that allows it')
    .option('--docker', 'also load the images into the Docker Engine of this host (DOCKER_HOST)')
    .option('--dry-run', 'say what is missing here, or which nodes would be asked')
    .action(async (given: string[], flags: Flags) => {
      if (flags.docker === true && (flags.platform.length > 1 || flags.platform.includes('all')))
        throw new LayerswarmError('usage', '--docker takes one platform: a Docker Engine holds one image under a name');
      const listed = flags.file === undefined ? [] : await (await import('../reference-list.ts')).readReferenceList(flags.file);
      const references = [...given, ...listed];
      if (references.length === 0) throw new LayerswarmError('usage', 'expected an image, or a list of images with --file, received none');
      if (references.length === 1) checkReference(references[0]!);
      checkPlatforms(flags.platform);
      const agent = await connectToAgent(context);
      const run = await runOf(agent, flags, context);
      const results: (Receipt | PullPlan | PrefetchReport)[] = [];
      const failures: Failure[] = [];
      for (const reference of references) {
        try {
          results.push(await run.one(reference));
        } catch (error) {
          // One image of many that fails holds up none of the others.
          if (references.length === 1 || errorCode(error) === 'aborted' || errorCode(error) === 'agent-unreachable') throw error;
          context.output.error(error, context.debug);
          failures.push({ reference, code: errorCode(error), message: error instanceof Error ? error.message : String(error) });
        }
      }
      const [first] = results;
      const single =
        references.length === 1 && first !== undefined ? first : { [run.key]: results, ...(failures.length === 0 ? {} : { failures }) };
      context.output.result(single, () => results.map(run.format).join('\n'));
      if (failures[0] !== undefined) setExitCode(exitCode(failures[0].code));
      else if (results.some((result) => 'complete' in result && !result.complete && flags.dryRun !== true)) setExitCode(1);
    });
};

interface Run {
  readonly key: 'receipts' | 'plans' | 'reports';
  readonly one: (reference: string) => Promise<Receipt | PullPlan | PrefetchReport>;
  readonly format: (result: Receipt | PullPlan | PrefetchReport) => string;
}

async function runOf(agent: ControlClient, flags: Flags, context: CommandContext): Promise<Run> {
  const signal = onInterrupt();
  const platforms = flags.platform;
  const [{ formatReceipt, formatPlan }, { formatPrefetch, WaveView }, { progressView }] = await Promise.all([
    import('../format.ts'),
    import('../wave-view.ts'),
    import('../progress-bars.ts'),
  ]);
  const load = async <Pulled extends { readonly reference: string; readonly digest: string }>(
    pulled: Pulled,
  ): Promise<Pulled & { readonly docker?: LoadedImage }> => {
    if (flags.docker !== true || flags.dryRun === true) return pulled;
    const [{ loadIntoDocker }, { dataDirectory }] = await Promise.all([
      import('../load-into-docker.ts'),
      import('../../agent/config/data-directory.ts'),
    ]);
    return {
      ...pulled,
      docker: await loadIntoDocker(await dataDirectory({ flag: context.data, file: context.configFile }), pulled, platforms[0], signal),
    };
  };
  const loaded = (result: object): string =>
    'docker' in result ? `\n  in the Docker Engine as ${(result.docker as LoadedImage).name}  ${(result.docker as LoadedImage).id}` : '';
  if (flags.all === true || flags.zone !== undefined) {
    return {
      key: 'reports',
      one: async (reference) => {
        const view = new WaveView(process.stderr);
        try {
          return await load(
            await agent.call(
              'prefetch',
              { reference, platforms, zone: flags.zone, dryRun: flags.dryRun },
              { signal, onProgress: (progress) => view.show(progress) },
            ),
          );
        } finally {
          view.end();
        }
      },
      format: (result) => formatPrefetch(result as PrefetchReport) + loaded(result),
    };
  }
  if (flags.dryRun === true) {
    return {
      key: 'plans',
      one: async (reference) => await agent.call('plan', { reference, platforms }, { signal }),
      format: (result) => formatPlan(result as PullPlan),
    };
  }
  return {
    key: 'receipts',
    one: async (reference) => {
      const view = progressView(process.stderr);
      try {
        const { receipt } = await agent.call('pull', { reference, platforms }, { signal, onProgress: (progress) => view.show(progress) });
        return await load(receipt);
      } finally {
        view.end();
      }
    },
    format: (result) => formatReceipt(result as Receipt) + loaded(result),
  };
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, ...value.split(',')];
}
