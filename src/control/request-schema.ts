import { z } from 'zod';
import type { OperationName, Operations } from './operations.ts';
import { seedRequest } from './seed-operation.ts';

const nothing = z.strictObject({});
const text = z.string().min(1).max(1000);

/** What the socket takes for each operation. */
export const requestSchemas: { readonly [N in OperationName]: z.ZodType<Operations[N]['request']> } = {
  status: nothing,
  receipts: nothing,
  pull: z.strictObject({ reference: text, platform: text.optional() }),
  verify: nothing,
  seed: seedRequest,
};

export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(requestSchemas, name);
}
