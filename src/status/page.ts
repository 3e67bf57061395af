import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { EXTENSION, PROGRAM } from '../program-files.ts';
import { pageHtml } from './page-html.ts';
import { pageStyle } from './page-style.ts';

export interface PageFile {
  readonly contentType: string;
  readonly body: string;
}

/** Nothing from elsewhere, nothing inline: scripts and styles are files of this node. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPTS = 'status/page/';
/** What the scripts of the page share with the program. */
const SHARED = [`quantity.${EXTENSION}`];

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M8 1 15 5 8 9 1 5Z" fill="#3b7dd8"/><path d="M1 8l7 4 7-4M1 11l7 4 7-4" fill="none" stroke="#3b7dd8" stroke-width="1.6"/></svg>';

let files: ReadonlyMap<string, PageFile> | undefined;

/** What a browser loads for the page, by path. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  files ??= new Map<string, PageFile>([
    [
      '/',
      {
        contentType: 'text/html; charset=utf-8',
        body: pageHtml({ style: '/assets/page.css', script: `/assets/${SCRIPTS}main.${EXTENSION}`, icon: '/assets/icon.svg' }),
      },
    ],
    ['/assets/page.css', { contentType: 'text/css; charset=utf-8', body: pageStyle }],
    ['/assets/icon.svg', { contentType: 'image/svg+xml', body: ICON }],
    ...scripts().map(([path, body]): [string, PageFile] => [`/assets/${path}`, { contentType: 'text/javascript; charset=utf-8', body }]),
  ]);
  return files;
}

/** The modules of `page/`, under paths as they lie in the sources, so that what they import is found. In a checkout their types are taken out first. */
function scripts(): [string, string][] {
  const names = readdirSync(inSources(SCRIPTS)).filter((name) => name.endsWith(`.${EXTENSION}`) && !name.endsWith('.d.ts'));
  const sources = [...names.map((name) => `${SCRIPTS}${name}`), ...SHARED].map((path): [string, string] => [
    path,
    readFileSync(inSources(path), 'utf8'),
  ]);
  return EXTENSION === 'js' ? sources : withoutTypes(sources);
}

function inSources(path: string): string {
  return fileURLToPath(new URL(path, PROGRAM));
}

/** Node says of this function, which it uses itself on each file of the checkout, that it is an experiment: in the log of an agent that helps nobody. */
function withoutTypes(sources: readonly [string, string][]): [string, string][] {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  try {
    return sources.map(([path, source]) => [path, stripTypeScriptTypes(source)]);
  } finally {
    process.emitWarning = emitWarning;
  }
}
