import { run } from './program.ts';

/** A reader that has enough ends a command quietly; a result that cannot be written is a failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(
    `layerswarm: cannot write the result: ${error.code === 'ENOSPC' ? 'the disk is full' : (error.code ?? error.message)}\n`,
  );
  process.exit(1);
});

/** What nobody reads any more must not be an error that is told there in turn, without end. */
process.stderr.on('error', () => undefined);

process.exitCode = await run(process.argv.slice(2));
