import { z } from 'zod';
import { configSchema } from './config-schema.ts';
import { expectations } from './setting-types.ts';

/** One setting as the sources name it. */
export interface Setting {
  /** Keys from the root of the YAML document. */
  readonly path: readonly string[];
  /** `store-max-bytes`: without the dashes. */
  readonly flag: string;
  /** `LAYERSWARM_STORE_MAX_BYTES` */
  readonly env: string;
  readonly kind: 'text' | 'number' | 'boolean' | 'list';
  readonly description: string;
  readonly expected: string;
  /** As it would be written in the file; undefined where it depends on the host. */
  readonly default: unknown;
}

function unwrap(schema: z.ZodType): { inner: z.ZodType; default: unknown } {
  let inner: z.ZodType = schema;
  let value: unknown;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) value = inner.def.defaultValue;
    inner = inner.def.innerType as z.ZodType;
  }
  return { inner, default: value };
}

function kindOf(schema: z.ZodType): Setting['kind'] {
  if (schema instanceof z.ZodBoolean) return 'boolean';
  if (schema instanceof z.ZodNumber) return 'number';
  return schema instanceof z.ZodArray ? 'list' : 'text';
}

/** Sections that have no flags and no variables: lists of maps would not fit there. */
export const FILE_ONLY: ReadonlySet<string> = new Set(['replication']);

function collect(schema: z.ZodObject, prefix: readonly string[]): Setting[] {
  return Object.entries(schema.shape).flatMap(([key, child]): Setting[] => {
    if (FILE_ONLY.has(key)) return [];
    const field = child as z.ZodType;
    const path = [...prefix, key];
    const { inner, default: value } = unwrap(field);
    if (inner instanceof z.ZodObject) return collect(inner, path);
    const words = path.flatMap((part) => part.split(/(?=[A-Z])/)).map((word) => word.toLowerCase());
    return [
      {
        path,
        flag: words.join('-'),
        env: `LAYERSWARM_${words.join('_').toUpperCase()}`,
        kind: kindOf(inner),
        description: field.description ?? '',
        expected: expectations.get(field)?.expected ?? 'another value',
        default: value,
      },
    ];
  });
}

/** Every leaf of the schema, in its order. */
export const settings: readonly Setting[] = collect(configSchema, []);

/** Sections of the file, with what they are about. */
export const sections: ReadonlyMap<string, string> = new Map(
  Object.entries(configSchema.shape).flatMap(([key, child]): [string, string][] =>
    unwrap(child as z.ZodType).inner instanceof z.ZodObject ? [[key, (child as z.ZodType).description ?? '']] : [],
  ),
);
