import { z } from 'zod';
import { charterPublishRequest } from './charter-operation.ts';
import type { OperationName, Operations } from './operations.ts';
import { replicateRunRequest } from './replicate-operation.ts';
import { seedRequest } from './seed-operation.ts';

const nothing = z.strictObject({});
const text = z.string().min(1).max(1000);
const dryRun = z.boolean().optional();
const count = z.int().min(0);
const pullRequest = z.strictObject({ reference: text, platforms: z.array(text).max(32).optional() });

/** What the socket takes for each operation. */
export const requestSchemas: { readonly [N in OperationName]: z.ZodType<Operations[N]['request']> } = {
  status: nothing,
  receipts: nothing,
  pull: pullRequest,
  plan: pullRequest,
  prefetch: pullRequest.extend({ zone: text.optional(), dryRun }),
  pins: nothing,
  pin: z.strictObject({
    reference: text,
    copies: z.int().min(1).max(10_000).optional(),
    everywhere: z.boolean().optional(),
    zone: text.optional(),
    dryRun,
  }),
  unpin: z.strictObject({ reference: text, everywhere: z.boolean().optional(), zone: text.optional(), dryRun }),
  purge: z.strictObject({ reference: text, everywhere: z.boolean().optional(), zone: text.optional(), dryRun }),
  gc: z.strictObject({ maxAgeMs: count.optional(), targetBytes: count.optional(), dryRun }),
  verify: z.strictObject({ dryRun, repair: z.boolean().optional() }),
  charter: nothing,
  'charter-publish': charterPublishRequest,
  seed: seedRequest,
  'replicate-run': replicateRunRequest,
};

export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(requestSchemas, name);
}
