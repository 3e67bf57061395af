import { stringify } from 'yaml';
import { z } from 'zod';
import type { AgentConfig } from './config.ts';
import { configSchema } from './config-schema.ts';
import type { HostPort } from './setting-types.ts';
import { sections, settings, type Setting } from './settings.ts';
import { get, set, type RawConfig } from './config-sources.ts';

/** JSON Schema (2020-12) of the YAML file, as `config/schema.json` holds it. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-2020-12' });
  return `${JSON.stringify({ title: 'layerswarm agent configuration', ...schema }, undefined, 2)}\n`;
}

const WIDTH = 110;

function comment(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + 2 + line.length + 1 + word.length > WIDTH) {
      lines.push(`${indent}# ${line}`);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, `${indent}# ${line}`];
}

function entry(setting: Setting): string[] {
  const indent = '  '.repeat(setting.path.length - 1);
  const key = setting.path.at(-1)!;
  const about = ` [--${setting.default === true ? 'no-' : ''}${setting.flag}, ${setting.env}]`;
  const line =
    setting.default === undefined
      ? `${indent}# ${key}:`
      : `${indent}${stringify({ [key]: setting.default }, { flowCollectionPadding: false, collectionStyle: 'flow' })
          .trim()
          .replace(/^\{(.*)\}$/s, '$1')}`;
  return [...comment(`${setting.description} Expects ${setting.expected}.${about}`, indent), line, ''];
}

/** Commented out: there is nothing that it could be by default. `schema.json` says what each key means. */
const REPLICATION_EXAMPLE = `
# Which images this node carries to other registries, when and how fast. In the file only.
# replication:
#   targets:
#     - name: eu
#       url: https://registry.eu.example
#       username: mirror
#       passwordFile: /etc/layerswarm/eu-password
#       ca: /etc/layerswarm/eu-ca.pem
#       bandwidth: 50MB/s
#       connections: 8
#   policies:
#     - name: releases
#       targets: [eu]
#       repositories: { allow: ["team/*"], deny: ["team/secret/*"] }
#       tags: { allow: ["v*"], deny: ["*-dev"] }
#       platforms: []            # all; or [linux/amd64]
#       onEvent: true            # as soon as a tag is pushed, seeded, or seen with another digest
#       schedule: "0 3 * * *"    # and each night; or an interval such as 1h
#       conflict: overwrite      # or keep, or fail
#       stripPrefix: team/
#       addPrefix: mirror/
#       attachments: true        # signatures, attestations, SBOMs
`
  .trim()
  .split('\n');

/** The documented example, as `config/layerswarm.yaml` holds it: each setting with its meaning and its default. */
export function configExample(): string {
  const lines = [
    '# yaml-language-server: $schema=./schema.json',
    ...comment(
      'Every setting of "layerswarm agent" at its default. Flags go before LAYERSWARM_* variables, those before this file. Read from --config FILE, LAYERSWARM_CONFIG, or /etc/layerswarm/layerswarm.yaml.',
      '',
    ),
    '',
  ];
  let section: string | undefined;
  for (const setting of settings) {
    const [first] = setting.path;
    if (setting.path.length > 1 && first !== section) lines.push(...comment(sections.get(first!) ?? '', ''), `${first}:`);
    section = first;
    lines.push(...entry(setting));
  }
  lines.push(...REPLICATION_EXAMPLE);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** What an agent would run with, as a configuration file that says the same. */
export function effectiveConfig(
  raw: RawConfig,
  { data, name, listen, bulk, limits }: Pick<AgentConfig, 'data' | 'name' | 'listen' | 'bulk' | 'limits'>,
): Record<string, unknown> {
  const known: Record<string, unknown> = {
    data,
    name,
    listen,
    bulk: bulk === undefined ? 'off' : hostPortText(bulk),
    'limits.bulkThreads': limits.bulkThreads,
  };
  const document: Record<string, unknown> = {};
  for (const { path, default: value } of settings) {
    const said = known[path.join('.')] ?? get(raw.values, path) ?? value;
    if (said !== undefined) set(document, path, said);
  }
  const { replication } = raw.values;
  return replication === undefined ? document : { ...document, replication };
}

function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
