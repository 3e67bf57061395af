import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LayerswarmError, type ErrorCode } from '../errors.ts';
import { Digest } from '../oci/digest.ts';

/** What a job is about. */
export interface JobKey {
  readonly policy: string;
  readonly target: string;
  readonly repository: string;
  readonly tag: string;
}

export type JobState = 'waiting' | 'running' | 'done' | 'failed';

export interface Job extends JobKey {
  readonly id: number;
  /** What the tag meant when the job was put in; the copy takes what it means then. */
  readonly digest: Digest | undefined;
  readonly state: JobState;
  /** Failures in a row. */
  readonly attempts: number;
  /** All in milliseconds since the epoch. */
  readonly enqueuedAt: number;
  readonly nextAt: number;
  readonly error: string | undefined;
  readonly errorCode: ErrorCode | undefined;
}

export interface TargetTotals {
  readonly waiting: number;
  readonly running: number;
  readonly failed: number;
  /** Milliseconds since the epoch; undefined when nothing waits. */
  readonly oldestAt: number | undefined;
  readonly copies: number;
  readonly sentBytes: number;
  readonly lastCopyAt: number | undefined;
  readonly lastError: { readonly message: string; readonly at: number } | undefined;
}

const VERSION = 1;
const SCHEMA = `
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  policy TEXT NOT NULL, target TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
  digest TEXT,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0,
  enqueued_at INTEGER NOT NULL, next_at INTEGER NOT NULL,
  error TEXT, error_code TEXT,
  UNIQUE (policy, target, repository, tag)
) STRICT;
CREATE INDEX due ON jobs (state, next_at);
CREATE TABLE targets (
  name TEXT PRIMARY KEY,
  copies INTEGER NOT NULL DEFAULT 0, sent_bytes INTEGER NOT NULL DEFAULT 0, last_copy_at INTEGER,
  last_error TEXT, last_error_at INTEGER
) STRICT;
PRAGMA user_version = ${VERSION};`;

/**
 * What is still to be copied, on disk: each tag of a policy and target once, so that a tag that moves while it waits is copied
 * once. A job that runs when the process dies waits again when the queue is opened.
 */
export class ReplicationQueue {
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #statements = new Map<string, StatementSync>();

  /** @throws `store-format` for a file of a newer version */
  constructor(file: string, now: () => number) {
    this.#database = new DatabaseSync(file);
    this.#now = now;
    // FULL: a job whose tag the caller has seen accepted must survive a power loss
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const { user_version: version } = this.#database.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version > VERSION) {
      this.#database.close();
      throw new LayerswarmError('store-format', `${file} is of a newer layerswarm: use that, or move the file away`);
    }
    if (version === 0) this.#database.exec(`BEGIN; ${SCHEMA} COMMIT`);
    this.#statement("UPDATE jobs SET state = 'waiting', next_at = ? WHERE state = 'running'").run(now());
  }

  /**
   * Puts a job in, or brings it forward: at once, and as if it never had failed. One that runs begins again after this try.
   * @returns whether there is anything to do: false when it was done with this digest already
   */
  enqueue(key: JobKey, digest: Digest | undefined, options: { again?: boolean } = {}): boolean {
    const before = this.find(key);
    const same = digest !== undefined && before?.digest?.equals(digest) === true;
    if (same && (before.state === 'running' || (before.state === 'done' && options.again !== true))) return before.state === 'running';
    this.#statement(`
      INSERT INTO jobs (policy, target, repository, tag, digest, state, enqueued_at, next_at) VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?)
      ON CONFLICT (policy, target, repository, tag) DO UPDATE SET
        digest = excluded.digest, attempts = 0, next_at = excluded.next_at,
        enqueued_at = CASE WHEN state IN ('waiting', 'running') THEN enqueued_at ELSE excluded.enqueued_at END,
        state = 'waiting'`).run(key.policy, key.target, key.repository, key.tag, digest?.toString() ?? null, this.#now(), this.#now());
    return true;
  }

  find({ policy, target, repository, tag }: JobKey): Job | undefined {
    const row = this.#statement('SELECT * FROM jobs WHERE policy = ? AND target = ? AND repository = ? AND tag = ?').get(
      policy,
      target,
      repository,
      tag,
    );
    return row === undefined ? undefined : toJob(row);
  }

  /** Takes the job of a target that has been due for longest: waiting -> running. */
  take(target: string): Job | undefined {
    const row = this.#statement(`
      UPDATE jobs SET state = 'running' WHERE id = (
        SELECT id FROM jobs WHERE state = 'waiting' AND target = ? AND next_at <= ? ORDER BY next_at, id LIMIT 1
      ) RETURNING *`).get(target, this.#now());
    return row === undefined ? undefined : toJob(row);
  }

  /** running -> done. A job that was put in anew meanwhile stays in. */
  finish(job: Job, digest: Digest | undefined, copied = true): void {
    const now = this.#now();
    this.#statement(
      "UPDATE jobs SET state = 'done', attempts = 0, error = NULL, error_code = NULL, digest = coalesce(?, digest) WHERE id = ? AND state = 'running'",
    ).run(digest?.toString() ?? null, job.id);
    if (!copied) return;
    this.#statement(`
      INSERT INTO targets (name, copies, last_copy_at) VALUES (?, 1, ?)
      ON CONFLICT (name) DO UPDATE SET copies = copies + 1, last_copy_at = excluded.last_copy_at`).run(job.target, now);
  }

  /** Counts bytes that a target took, also of copies that fail later. */
  sent(target: string, bytes: number): void {
    this.#statement(
      'INSERT INTO targets (name, sent_bytes) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sent_bytes = sent_bytes + excluded.sent_bytes',
    ).run(target, bytes);
  }

  /** running -> waiting, for `delayMs`. Without an error it counts as no try: somebody else has the job. */
  postpone(job: Job, delayMs: number, failure?: { message: string; code: ErrorCode }): void {
    this.#statement(
      "UPDATE jobs SET state = 'waiting', next_at = ?, attempts = attempts + ?, error = coalesce(?, error), error_code = coalesce(?, error_code) WHERE id = ? AND state = 'running'",
    ).run(this.#now() + Math.round(delayMs), failure === undefined ? 0 : 1, failure?.message ?? null, failure?.code ?? null, job.id);
    if (failure !== undefined) this.#rememberError(job.target, failure.message);
  }

  /** running -> failed: nothing will change by trying again, until the tag moves or somebody asks for a run. */
  fail(job: Job, failure: { message: string; code: ErrorCode }): void {
    this.#statement(
      "UPDATE jobs SET state = 'failed', attempts = attempts + 1, error = ?, error_code = ? WHERE id = ? AND state = 'running'",
    ).run(failure.message, failure.code, job.id);
    this.#rememberError(job.target, failure.message);
  }

  /** Forgets a job whose tag is gone. */
  drop(job: Job): void {
    this.#statement("DELETE FROM jobs WHERE id = ? AND state = 'running'").run(job.id);
  }

  /** Milliseconds until a job of the target is due; undefined when none waits. */
  dueIn(target: string): number | undefined {
    const row = this.#statement("SELECT min(next_at) AS at FROM jobs WHERE state = 'waiting' AND target = ?").get(target);
    return typeof row?.['at'] === 'number' ? Math.max(0, row['at'] - this.#now()) : undefined;
  }

  totals(target: string): TargetTotals {
    const counts = this.#statement(`
      SELECT sum(state = 'waiting') AS waiting, sum(state = 'running') AS running, sum(state = 'failed') AS failed,
        min(CASE WHEN state IN ('waiting', 'running') THEN enqueued_at END) AS oldest FROM jobs WHERE target = ?`).get(target);
    const row = this.#statement('SELECT * FROM targets WHERE name = ?').get(target);
    const message = row?.['last_error'];
    return {
      waiting: Number(counts?.['waiting'] ?? 0),
      running: Number(counts?.['running'] ?? 0),
      failed: Number(counts?.['failed'] ?? 0),
      oldestAt: optionalNumber(counts?.['oldest']),
      copies: Number(row?.['copies'] ?? 0),
      sentBytes: Number(row?.['sent_bytes'] ?? 0),
      lastCopyAt: optionalNumber(row?.['last_copy_at']),
      lastError: typeof message === 'string' ? { message, at: Number(row?.['last_error_at'] ?? 0) } : undefined,
    };
  }

  /** Jobs that failed or wait after a failure, newest trouble first. */
  troubled(limit: number): Job[] {
    return this.#statement(
      "SELECT * FROM jobs WHERE state = 'failed' OR (attempts > 0 AND state IN ('waiting', 'running')) ORDER BY next_at DESC LIMIT ?",
    )
      .all(limit)
      .map(toJob);
  }

  /** Forgets what belongs to no route any more. */
  keepOnly(routes: readonly { readonly policy: string; readonly target: string }[]): void {
    this.#statement(`DELETE FROM jobs WHERE (policy || char(10) || target) NOT IN (SELECT value FROM json_each(?))`).run(
      JSON.stringify(routes.map(({ policy, target }) => `${policy}\n${target}`)),
    );
  }

  close(): void {
    this.#database.close();
  }

  #rememberError(target: string, message: string): void {
    this.#statement(
      'INSERT INTO targets (name, last_error, last_error_at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET last_error = excluded.last_error, last_error_at = excluded.last_error_at',
    ).run(target, message, this.#now());
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function toJob(row: Record<string, unknown>): Job {
  return {
    id: Number(row['id']),
    policy: String(row['policy']),
    target: String(row['target']),
    repository: String(row['repository']),
    tag: String(row['tag']),
    digest: typeof row['digest'] === 'string' ? Digest.parse(row['digest']) : undefined,
    state: row['state'] as JobState,
    attempts: Number(row['attempts']),
    enqueuedAt: Number(row['enqueued_at']),
    nextAt: Number(row['next_at']),
    error: typeof row['error'] === 'string' ? row['error'] : undefined,
    errorCode: typeof row['error_code'] === 'string' ? (row['error_code'] as ErrorCode) : undefined,
  };
}

function optionalNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
