import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import type { Cleanup } from './cleanup.ts';
import { findTool } from './require-tool.ts';
import { tempDir } from './temp-dir.ts';

/** What this machine's Chromium must not do: ask the network for anything of its own, or need a graphics card or a name space. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Look {
  readonly width: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
}

/** Debian's Chromium without a window, with a profile of its own that goes with it. @param netns name of the network namespace it runs in */
export async function startBrowser(cleanup: Cleanup, netns?: string): Promise<BrowserContext> {
  const profile = tempDir(cleanup, 'chromium');
  let executablePath = findTool('chromium')!;
  if (netns !== undefined) {
    const inside = join(tempDir(cleanup, 'inside'), 'chromium');
    writeFileSync(inside, `#!/bin/sh\nexec nsenter --net=/run/netns/${netns} ${executablePath} "$@"\n`, { mode: 0o755 });
    executablePath = inside;
  }
  const browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: ARGS });
  cleanup.teardown(async () => {
    await browser.close();
  });
  return browser;
}

/** A new tab. Nothing may be written to its console as an error, nor any policy be broken. */
export async function openPage(
  browser: BrowserContext,
  url: string,
  { width, height = 900, scheme = 'light' }: Look,
): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => {
    errors.push(String(error));
  });
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: scheme });
  await page.goto(url);
  return { page, errors };
}

/** What a person with a screen reader, a keyboard or weak eyes would trip over: axe's findings, a line each. */
export async function axeViolations(page: Page): Promise<string[]> {
  // evaluated by the debugger, for which the page's own policy does not hold
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate<AxeResults>('axe.run(document, { resultTypes: ["violations"] })');
  return violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ${nodes
        .slice(0, 3)
        .map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary ?? ''}`)
        .join(' | ')}`,
  );
}
