import { LayerswarmError } from '../../errors.ts';

export type MetadataValue = string | number | readonly (string | number)[] | MetadataSection;
/** Without a prototype: the names in it are the disk's. */
export interface MetadataSection {
  readonly [name: string]: MetadataValue;
}

const MAX_DEPTH = 8;
const TOKEN = /\s+|#[^\n]*|([A-Za-z0-9_.+-]+)|"((?:[^"\\]|\\.)*)"|([{}[\]=,])/gy;

/** Parses lvm2's text format: sections in braces, `name = value`, arrays in brackets. */
export function parseMetadata(text: string): MetadataSection {
  const tokens = tokenize(text);
  let at = 0;
  const next = (): Token => {
    const token = tokens[at++];
    if (token === undefined) throw malformed('it ends too early');
    return token;
  };
  const parseScalar = (token: Token): string | number => {
    if (token.kind === 'string') return token.text;
    if (token.kind === 'word') return /^-?\d+$/.test(token.text) ? Number(token.text) : token.text;
    throw malformed(`unexpected "${token.text}"`);
  };
  const parseValue = (): MetadataValue => {
    const token = next();
    if (token.text !== '[' || token.kind !== 'mark') return parseScalar(token);
    const items: (string | number)[] = [];
    for (;;) {
      const item = next();
      if (item.kind === 'mark' && item.text === ']') return items;
      if (item.kind === 'mark' && item.text === ',') continue;
      items.push(parseScalar(item));
    }
  };
  const parseSection = (depth: number): MetadataSection => {
    if (depth > MAX_DEPTH) throw malformed('its sections are nested too deep');
    const section: Record<string, MetadataValue> = Object.create(null) as Record<string, MetadataValue>;
    for (;;) {
      const token = tokens[at];
      if (token === undefined) {
        if (depth > 0) throw malformed('a section is not closed');
        return section;
      }
      at += 1;
      if (token.kind === 'mark' && token.text === '}' && depth > 0) return section;
      if (token.kind !== 'word') throw malformed(`unexpected "${token.text.slice(0, 40)}"`);
      const mark = next();
      if (mark.kind !== 'mark') throw malformed(`unexpected "${mark.text.slice(0, 40)}"`);
      if (mark.text === '=') section[token.text] = parseValue();
      else if (mark.text === '{') section[token.text] = parseSection(depth + 1);
      else throw malformed(`unexpected "${mark.text}"`);
    }
  };
  return parseSection(0);
}

interface Token {
  readonly kind: 'word' | 'string' | 'mark';
  readonly text: string;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (match === null) throw malformed('it has a character that does not belong there');
    const [, word, string, mark] = match;
    if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else if (string !== undefined) tokens.push({ kind: 'string', text: string.replaceAll(/\\(.)/gs, '$1') });
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark });
  }
  return tokens;
}

function malformed(why: string): LayerswarmError {
  return new LayerswarmError('unsupported', `the disk's LVM metadata cannot be read: ${why}`);
}
