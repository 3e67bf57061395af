export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
/** Values other than text, numbers and booleans are written as JSON. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log lines. Callers put no secret and no credential into a line. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log, with the part's name on each line. */
  for(part: string): Logger;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** sd-daemon(3): what the journal takes for the priority of a line. */
const JOURNAL_PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };
/** Beyond this a line is cut: whatever a peer or a client sent must not fill the disk through the log. */
const MAX_VALUE_LENGTH = 1000;

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  /** Lines go to the journal, which adds the time itself and takes `<N>` as the priority. */
  readonly journal?: boolean;
  readonly write: (line: string) => void;
  /** Whoever reads the lines is so far behind that more must not wait for it. */
  readonly isFull?: () => boolean;
  readonly now?: () => Date;
}

export function createLogger(options: LoggerOptions): Logger {
  return partLogger(options, { lines: 0 }, undefined);
}

/** @param lost lines that were not written, of all parts */
function partLogger(options: LoggerOptions, lost: { lines: number }, part: string | undefined): Logger {
  const now = options.now ?? (() => new Date());

  function line(level: LogLevel, message: string, fields: LogFields): void {
    if (SEVERITY[level] < SEVERITY[options.level]) return;
    if (options.isFull?.() === true) {
      lost.lines++;
      return;
    }
    const { lines } = lost;
    lost.lines = 0;
    if (lines > 0) line('warn', 'lines of this log are lost: whoever reads it was too slow', { lines });
    if (options.format === 'json') {
      options.write(`${JSON.stringify({ time: now().toISOString(), level, part, message, ...fields })}\n`);
      return;
    }
    const start = options.journal === true ? `<${JOURNAL_PRIORITY[level]}>` : `${now().toISOString()} ${level.toUpperCase().padEnd(5)} `;
    const rest = Object.entries(fields)
      .flatMap(([key, value]) => (value === undefined ? [] : [` ${key}=${quoted(value)}`]))
      .join('');
    options.write(`${start}${part === undefined ? '' : `${part}: `}${oneLine(message)}${rest}\n`);
  }

  return {
    debug: (message, fields = {}) => line('debug', message, fields),
    info: (message, fields = {}) => line('info', message, fields),
    warn: (message, fields = {}) => line('warn', message, fields),
    error: (message, fields = {}) => line('error', message, fields),
    for: (name) => partLogger(options, lost, name),
  };
}

/** The same log, whose lines are rewritten before anybody reads them: messages, and fields that are text. */
export function rewritten(log: Logger, rewrite: (text: string) => string): Logger {
  const ofFields = (fields: LogFields = {}): LogFields =>
    Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? rewrite(value) : value]));
  return {
    debug: (message, fields) => {
      log.debug(rewrite(message), ofFields(fields));
    },
    info: (message, fields) => {
      log.info(rewrite(message), ofFields(fields));
    },
    warn: (message, fields) => {
      log.warn(rewrite(message), ofFields(fields));
    },
    error: (message, fields) => {
      log.error(rewrite(message), ofFields(fields));
    },
    for: (part) => rewritten(log.for(part), rewrite),
  };
}

function oneLine(text: string): string {
  // Control characters could forge lines or drive the terminal that shows them.
  return text.slice(0, MAX_VALUE_LENGTH).replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

function quoted(value: unknown): string {
  const text = oneLine(typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value)));
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
