import test from 'ava';
import { exitCode, type ExitCode } from '../../../src/cli/exit-code.ts';
import type { ErrorCode } from '../../../src/errors.ts';

const table: Readonly<Record<ErrorCode, Exclude<ExitCode, 0>>> = {
  usage: 2,
  'config-invalid': 2,
  'reference-invalid': 2,
  'digest-invalid': 2,
  'name-invalid': 2,
  'store-locked': 2,
  'store-format': 2,
  'store-unwritable': 2,
  'port-taken': 2,
  'key-invalid': 2,
  'not-found': 3,
  'agent-unreachable': 4,
  'digest-mismatch': 5,
  'size-mismatch': 5,
  'verification-failed': 5,
  'manifest-invalid': 1,
  'origin-unknown': 1,
  'origin-unreachable': 1,
  'origin-unauthorized': 1,
  'origin-denied': 1,
  'origin-conflict': 1,
  'origin-rate-limited': 1,
  'peer-misbehaved': 1,
  'peer-gone': 1,
  unavailable: 1,
  'range-invalid': 1,
  'too-large': 1,
  'disk-full': 1,
  timeout: 1,
  aborted: 1,
  unsupported: 1,
  denied: 1,
  internal: 1,
};
for (const [code, expected] of Object.entries(table)) {
  test(`${code} ends with ${expected}`, (t) => {
    t.is(exitCode(code as ErrorCode), expected);
  });
}
