import { LayerswarmError } from '../errors.ts';

/** Where a conversion's result goes. */
export type ConvertOutput =
  | { readonly kind: 'layout'; readonly dir: string; readonly tag?: string }
  | { readonly kind: 'archive'; readonly file: string; readonly tag?: string }
  /** The system's layer alone. */
  | { readonly kind: 'tar'; readonly file: string };

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `tar:FILE` */
export function parseOutput(text: string): ConvertOutput {
  const kind = text.slice(0, Math.max(0, text.indexOf(':')));
  const rest = text.slice(kind.length + 1);
  if (kind === '' || rest === '') throw wrong(text);
  if (kind === 'tar') return { kind: 'tar', file: rest };
  const colon = rest.lastIndexOf(':');
  const tag = rest.slice(colon + 1);
  const hasTag = colon > 0 && TAG.test(tag);
  const path = hasTag ? rest.slice(0, colon) : rest;
  if (kind === 'oci') return { kind: 'layout', dir: path, ...(hasTag && { tag }) };
  if (kind === 'oci-archive') return { kind: 'archive', file: path, ...(hasTag && { tag }) };
  throw wrong(text);
}

function wrong(text: string): LayerswarmError {
  return new LayerswarmError(
    'usage',
    `output ${JSON.stringify(text.slice(0, 200))} is none of oci:DIR[:TAG], oci-archive:FILE[:TAG], tar:FILE`,
  );
}
