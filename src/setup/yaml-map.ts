import { type Document, isMap, parseDocument } from 'yaml';

/** A map in YAML that can be changed and written again; an empty text is an empty one. Or what the text is instead, in one line. */
export function readYamlMap(text: string): { readonly document: Document } | { readonly problem: string } {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) return { problem: firstLine(error) };
  if (document.contents !== null && !isMap(document.contents)) return { problem: 'something else' };
  try {
    // An alias of nothing is found only by whoever follows it.
    document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    return { problem: firstLine(cause as Error) };
  }
  return { document };
}

function firstLine({ message }: Error): string {
  return message.split('\n')[0]!.replace(/:$/, '');
}
