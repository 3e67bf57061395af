import { stringify } from 'yaml';
import { z } from 'zod';
import { configSchema, sections, settings, type Setting } from './config-schema.ts';

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
  const line = setting.default === undefined
    ? `${indent}# ${key}:`
    : `${indent}${stringify({ [key]: setting.default }, { flowCollectionPadding: false, collectionStyle: 'flow' }).trim().replace(/^\{(.*)\}$/s, '$1')}`;
  return [...comment(`${setting.description} Expects ${setting.expected}.${about}`, indent), line, ''];
}

/** The documented example, as `config/layerswarm.yaml` holds it: each setting with its meaning and its default. */
export function configExample(): string {
  const lines = [
    '# yaml-language-server: $schema=./schema.json',
    ...comment('Every setting of "layerswarm agent" at its default. Flags go before LAYERSWARM_* variables, those before this file. Read from --config FILE, LAYERSWARM_CONFIG, or /etc/layerswarm/layerswarm.yaml.', ''),
    '',
  ];
  let section: string | undefined;
  for (const setting of settings) {
    const [first] = setting.path;
    if (setting.path.length > 1 && first !== section) lines.push(...comment(sections.get(first!) ?? '', ''), `${first}:`);
    section = first;
    lines.push(...entry(setting));
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
