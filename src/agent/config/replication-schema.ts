import { z } from 'zod';
import { errorCode, type LayerswarmError } from '../../errors.ts';
import { parsePlatform } from '../../oci/platform.ts';
import { checkSchedule } from '../../replicate/schedule.ts';
import { parseDuration, parseRate } from '../../quantity.ts';
import { quantity } from './setting-types.ts';

/** The `replication` section of the YAML file: which images are carried to which other registries. It has no flags and no variables. */

const NO_QUANTITY = 'expected a quantity with its unit';

const name = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/)
  .describe('How it is called in policies and in status.');
const pattern = z.string().regex(/^[A-Za-z0-9*._/-]{1,255}$/);
const repositoryPrefix = z
  .string()
  .regex(/^[a-z0-9._/-]*$/)
  .max(200);

const registryUrl = z.string().refine((text) => {
  const url = URL.parse(text);
  return (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === ''
  );
}, 'expected a URL such as https://registry.example:5000 without a path or credentials');

const target = z
  .strictObject({
    name,
    url: registryUrl.describe('The registry, such as https://registry.example:5000; http:// talks to it without TLS.'),
    username: z
      .string()
      .min(1)
      .optional()
      .describe('User name there. Without one, the credentials of ~/.docker/config.json and its helpers are used.'),
    passwordFile: z.string().min(1).optional().describe('File that holds the password or token for username.'),
    ca: z.string().min(1).optional().describe('File of PEM certificates to trust beside those of the system.'),
    bandwidth: quantity(parseRate, NO_QUANTITY).prefault(0).describe('Bytes a second sent there, such as 50MB/s; 0 for no limit.'),
    connections: z.int().min(1).max(64).default(8).describe('Connections to it at a time.'),
  })
  .refine(
    ({ username, passwordFile }) => (username === undefined) === (passwordFile === undefined),
    'expected username and passwordFile together',
  );

const globs = (all: string) =>
  z
    .strictObject({
      allow: z.array(pattern).min(1).default([all]).describe('Names, * for any part.'),
      deny: z.array(pattern).default([]).describe('Names that are left out, whatever allows them.'),
    })
    .prefault({});

const schedule = z.string().transform((text, context) => {
  const value = parseDuration(text) ?? text;
  try {
    checkSchedule(value);
    return value;
  } catch (error) {
    if (errorCode(error) !== 'config-invalid') throw error;
    context.addIssue({ code: 'custom', message: (error as LayerswarmError).message });
    return z.NEVER;
  }
});

const platform = z.string().transform((text, context) => {
  try {
    return parsePlatform(text);
  } catch (error) {
    if (errorCode(error) !== 'usage') throw error;
    context.addIssue({ code: 'custom', message: (error as LayerswarmError).message });
    return z.NEVER;
  }
});

const policy = z.strictObject({
  name,
  targets: z.array(z.string()).min(1).describe('Names of targets.'),
  repositories: globs('*').describe('Which repositories of the origin.'),
  tags: globs('*').describe('Which tags of them.'),
  platforms: z
    .array(platform)
    .default([])
    .describe(
      'Of an index only these, such as linux/amd64: one is copied with its own digest, several under an index of their own. All by default.',
    ),
  onEvent: z.boolean().default(true).describe('As soon as a tag is pushed, seeded, or seen with another digest.'),
  schedule: schedule.optional().describe('Also when it is time: a cron expression such as "0 3 * * *", or an interval such as 1h.'),
  conflict: z
    .enum(['overwrite', 'keep', 'fail'])
    .default('overwrite')
    .describe('What to do with a tag that means something else at the target.'),
  stripPrefix: repositoryPrefix.default('').describe("Taken from the beginning of a repository's name, …"),
  addPrefix: repositoryPrefix.default('').describe('… then this is put before it.'),
  attachments: z.boolean().default(true).describe('Copies signatures and other artifacts that refer to an image as well.'),
});

export const replicationSchema = z
  .strictObject({
    targets: z.array(target).max(64).default([]).describe('Registries that images are carried to.'),
    policies: z.array(policy).max(128).default([]).describe('Which images go where, and when.'),
  })
  .prefault({});
