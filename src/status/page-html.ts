interface PageAddresses {
  readonly style: string;
  readonly script: string;
  readonly icon: string;
}

/** The page before any script has run: its landmarks and headings, which the scripts of `page/` fill. */
export function pageHtml({ style, script, icon }: PageAddresses): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>layerswarm</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body data-link="connecting">
<a class="skip" href="#main">Skip to the swarm</a>
<header>
  <div class="who">
    <h1 id="name">layerswarm</h1>
    <p id="facts" class="soft"></p>
    <p id="link" role="status">connecting</p>
  </div>
  <p id="health" class="health"></p>
  <p id="saved" class="saved"></p>
</header>
<div class="bar" role="search">
  <label for="filter" class="hidden">Filter nodes, transfers, pulls and images</label>
  <input id="filter" type="search" placeholder="Filter nodes, pulls, images …" autocomplete="off" spellcheck="false" aria-describedby="filter-hint">
  <span id="filter-hint" class="soft" role="status"></span>
</div>
<main id="main" tabindex="-1">
  <section id="troubles" aria-labelledby="h-troubles" hidden><h2 id="h-troubles">What is wrong</h2><div class="body"></div></section>
  <div class="pair">
    <section id="flows" aria-labelledby="h-flows"><h2 id="h-flows">Who sends what to whom</h2><div class="body"></div></section>
    <section id="hour" aria-labelledby="h-hour"><h2 id="h-hour">Last hour</h2><div class="body"></div></section>
  </div>
  <section id="nodes" aria-labelledby="h-nodes"><h2 id="h-nodes">Nodes</h2><div class="body"></div></section>
  <section id="jobs" aria-labelledby="h-jobs" hidden><h2 id="h-jobs">Seeds and preheats</h2><div class="body"></div></section>
  <section id="transfers" aria-labelledby="h-transfers"><h2 id="h-transfers">Transfers</h2><div class="body"></div></section>
  <section id="pulls" aria-labelledby="h-pulls"><h2 id="h-pulls">Last pulls</h2><div class="body"></div></section>
  <section id="images" aria-labelledby="h-images"><h2 id="h-images">Images</h2><div class="body"></div></section>
  <section id="registries" aria-labelledby="h-registries"><h2 id="h-registries">Registries</h2><div class="body"></div></section>
</main>
<footer class="soft"><p>What other nodes show here is what they say of themselves. The same as JSON: <a href="/api/v1/swarm">/api/v1/swarm</a>, <a href="/api/v1/status">/api/v1/status</a>, <a href="/metrics">/metrics</a>.</p></footer>
<noscript><p>This page needs JavaScript; the same is in <a href="/api/v1/swarm">/api/v1/swarm</a>.</p></noscript>
</body>
</html>
`;
}
