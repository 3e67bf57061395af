import type { Command } from 'commander';
import type { ExitCode } from './exit-code.ts';
import type { Output } from './output.ts';

/** What every command is given beside its own options. */
export interface CommandContext {
  readonly output: Output;
  /** `--data` */
  readonly data: string | undefined;
  /** `--config` */
  readonly configFile: string | undefined;
  /** `--debug` */
  readonly debug: boolean;
}

/**
 * Adds a command's options and action. An action that fails throws a LayerswarmError; one that ends well with another exit code
 * than 0 says so through `setExitCode`.
 */
export type DefineCommand = (command: Command, context: CommandContext, setExitCode: (code: ExitCode) => void) => void;
