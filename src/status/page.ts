import { createHash } from 'node:crypto';
import { script } from './page-script.ts';
import { style } from './page-style.ts';

function sourceHash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>layerswarm</title>
<style>${style}</style>
</head>
<body>
<header>
  <h1>layerswarm</h1>
  <p id="node"></p>
  <p id="link" role="status">connecting</p>
</header>
<main>
  <section class="cards" aria-label="At a glance">
    <article><h2>Origin</h2><strong id="origin"></strong><p id="origin-detail"></p></article>
    <article><h2>From peers</h2><strong id="saved"></strong><p id="saved-detail"></p><div class="bar" aria-hidden="true"><i id="saved-bar"></i></div></article>
    <article><h2>Given</h2><strong id="given"></strong><p id="given-detail"></p></article>
    <article><h2>Store</h2><strong id="store"></strong><p id="store-detail"></p><div class="bar" aria-hidden="true"><i id="store-bar"></i></div></article>
  </section>
  <section><h2>Transfers</h2><table id="transfers"></table></section>
  <section><h2>Images</h2><table id="images"></table></section>
  <section><h2>Peers</h2><table id="peers"></table></section>
  <section id="ban-section" hidden><h2>Banned</h2><table id="bans"></table></section>
</main>
<noscript><p>This page needs JavaScript; the same is in <a href="/api/v1/status">/api/v1/status</a>.</p></noscript>
<script>${script}</script>
</body>
</html>
`;

/** The live page: one document, nothing from elsewhere, and a policy under which only its own style and script run. */
export const page: { readonly html: string; readonly policy: string } = {
  html,
  policy: `default-src 'none'; style-src ${sourceHash(style)}; script-src ${sourceHash(script)}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
};
