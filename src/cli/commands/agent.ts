import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { DefineCommand } from '../command.ts';
import { addConfigFlags, flagsOf } from '../config-flags.ts';
import { onInterrupt } from '../interrupt.ts';

/** What a stop may take in all is 5 s; what still runs then is cut off. */
const STOP_LIMIT_MS = 4500;
/** Bytes of log lines that wait for whoever reads them. */
const MAX_LOG_BEHIND = 1 << 20;

export const define: DefineCommand = (command, context) => {
  addConfigFlags(command)
    .description("Runs this host's node until SIGTERM or SIGINT.")
    .action(async () => {
      keepYoungGenerationSmall();
      const { loadConfig } = await import('../../agent/config/config.ts');
      const config = await loadConfig({ flags: flagsOf(command, context), file: context.configFile });
      const { createLogger } = await import('../../log.ts');
      const log = createLogger({
        ...config.log,
        journal: process.env['JOURNAL_STREAM'] !== undefined && !process.stderr.isTTY,
        write: (line) => process.stderr.write(line),
        isFull: () => process.stderr.writableLength > MAX_LOG_BEHIND,
      });
      for (const warning of config.warnings) log.warn(warning);

      const { StrayErrors } = await import('../../agent/stray-errors.ts');
      const strays = new StrayErrors(log.for('agent'), () => process.exit(1));
      process.on('unhandledRejection', strays.onRejection).on('uncaughtException', strays.onException);
      const stopped = onInterrupt();
      useCompileCache(config.data);
      const { startAgent } = await import('../../agent/agent.ts');
      const agent = await startAgent(config, log, () => strays.count);
      flushCompileCache();
      if (context.output.json) context.output.result(agent.file, () => '');
      if (!stopped.aborted) await once(stopped, 'abort');

      log.info('stopping');
      const cut = setTimeout(() => {
        log.error(`not everything stopped in time, and is cut off: ${agent.stopping()}`);
        process.exit(1);
      }, STOP_LIMIT_MS);
      await agent.stop();
      clearTimeout(cut);
      log.info('stopped');
      // Sockets that a library left open must not keep a stopped agent alive.
      setImmediate(() => process.exit());
    });
};

/**
 * V8 lets the space for new objects grow to 64 MB while the modules are loaded, and again while an image comes in, and seldom gives any
 * of it back. As large as it is by now, 8 MB, it costs no more CPU; a worker's stays at 2 MB. V8 looks at this flag each time it would grow it.
 */
function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Compiling what an agent is made of takes half a second. From its second start on it is kept in the data directory, which nobody
 * else may write.
 */
function useCompileCache(data: string): void {
  if (existsSync(join(data, 'format'))) enableCompileCache(join(data, 'compile-cache'));
}
