/** Colours of sources can be told apart by colour-blind people (after Okabe and Ito), and each has an ink of AA contrast; letters say the same. */
export const pageStyle = `:root {
  color-scheme: light dark;
  --ground: #f4f6f8; --card: #ffffff; --ink: #17202b; --soft: #566273; --line: #dde2e9; --faint: #edf0f4;
  --accent: #0a5fb4; --well: #11694a; --warn: #8a5200; --bad: #b3261e;
  --warn-ground: #fdf3e0; --bad-ground: #fdecea; --origin: #1f2a37; --origin-ink: #ffffff; --peers: #3b7dd8; --missing: #e3e7ed;
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "Noto Sans", "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
  color: var(--ink); background: var(--ground);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f141a; --card: #171d25; --ink: #e3e8ef; --soft: #9aa7b8; --line: #2a3340; --faint: #1e2630;
    --accent: #6cb2ff; --well: #56c596; --warn: #f2b35a; --bad: #ff8f85;
    --warn-ground: #2c2212; --bad-ground: #321a19; --origin: #dfe5ec; --origin-ink: #17202b; --peers: #4f8fe6; --missing: #252e3a;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 88rem; padding: 1.25rem 1.5rem 2rem; }
h1, h2, p, ul, ol, dl, dd { margin: 0; padding: 0; }
ul, ol { list-style: none; }
code { font: .92em ui-monospace, "SF Mono", "Liberation Mono", monospace; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: .25rem; }
main:focus { outline: none; }
.soft { color: var(--soft); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .4rem .8rem; z-index: 3; }

header { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .5rem 2rem; align-items: center; }
.who { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .9rem; grid-column: 1 / -1; }
h1 { font-size: 1.45rem; font-weight: 650; letter-spacing: -.015em; overflow-wrap: anywhere; }
#link { margin-left: auto; color: var(--soft); }
#link::before { content: ""; display: inline-block; width: .5rem; height: .5rem; border-radius: 50%; margin-right: .4rem; background: var(--soft); }
[data-link=live] #link { color: var(--well); }
[data-link=live] #link::before { background: var(--well); }
[data-link=lost] #link { color: var(--bad); font-weight: 600; }
[data-link=lost] #link::before { background: none; border: 2px solid var(--bad); }
[data-link=lost] main, [data-link=lost] .saved, [data-link=lost] .health { filter: grayscale(.9); }
.health { display: flex; gap: .6rem; align-items: baseline; overflow-wrap: anywhere; }
.saved { font-size: 1.15rem; font-weight: 600; letter-spacing: -.01em; text-align: right; }
.level { flex: none; display: inline-flex; align-items: baseline; font-weight: 600; font-size: .92rem; white-space: nowrap; color: var(--soft); }
.level::before, .dot { content: ""; display: inline-block; width: .62rem; height: .62rem; margin-right: .4rem; border-radius: 50%; border: 2px solid var(--soft); flex: none; align-self: center; }
.level.ok { color: var(--well); } .level.degraded { color: var(--warn); } .level.bad { color: var(--bad); }
.level.ok::before, .dot.ok { background: var(--well); border-color: var(--well); }
.level.degraded::before, .dot.degraded { background: var(--warn); border-color: var(--warn); border-radius: 0; transform: rotate(45deg) scale(.85); }
.level.bad::before, .dot.bad { background: var(--bad); border-color: var(--bad); border-radius: 0; }

.bar { position: sticky; top: 0; z-index: 2; display: flex; align-items: center; gap: .75rem; margin: .9rem -.5rem 0; padding: .5rem; background: var(--ground); }
input[type=search] { font: inherit; color: inherit; background: var(--card); border: 1px solid #7d8896; border-radius: .4rem; padding: .4rem .7rem; width: min(24rem, 100%); }
input::placeholder { color: var(--soft); opacity: 1; }

main { display: grid; gap: 1rem; margin-top: .5rem; grid-template-columns: minmax(0, 1fr); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .55rem; padding: .9rem 1rem 1rem; min-width: 0; }
h2 { font-size: .95rem; font-weight: 650; margin-bottom: .6rem; }
.pair { display: grid; gap: 1rem; grid-template-columns: minmax(0, 7fr) minmax(0, 5fr); }
.empty { padding: .25rem 0; }
.pair > section { display: flex; flex-direction: column; }
.pair .body { flex: 1; display: grid; align-content: start; }
.pair .empty { display: grid; place-items: center; min-height: 9rem; text-align: center; }
.number { text-align: right; }
.bad { color: var(--bad); }

#troubles { border-color: var(--line); border-left: 4px solid var(--bad); }
.troubles { display: grid; gap: .45rem; }
.troubles li { display: grid; grid-template-columns: 6.2rem minmax(0, 1fr) auto; gap: 0 .75rem; align-items: baseline; }
.troubles .text { overflow-wrap: anywhere; }

svg { display: block; }
.flows text { font-size: 12.5px; fill: var(--ink); }
.flows .rate { font-size: 11.5px; fill: var(--soft); }
.ribbon { opacity: .42; }
.ribbon:hover { opacity: .8; }
.chart { position: relative; }
.axis { stroke: var(--line); stroke-width: 1; }
rect.from-origin, .key.from-origin { fill: var(--origin); background: var(--origin); }
rect.from-peers, .key.from-peers { fill: var(--peers); background: var(--peers); }
.scale { display: flex; justify-content: space-between; font-size: .86rem; margin: .25rem 0 .5rem; }

.c-origin { background: var(--origin); color: var(--origin-ink); fill: var(--origin); }
.c-0 { background: #0072b2; color: #fff; fill: #0072b2; }
.c-1 { background: #e69f00; color: #111; fill: #e69f00; }
.c-2 { background: #009e73; color: #111; fill: #009e73; }
.c-3 { background: #cc79a7; color: #111; fill: #cc79a7; }
.c-4 { background: #56b4e9; color: #111; fill: #56b4e9; }
.c-5 { background: #d55e00; color: #111; fill: #d55e00; }
.c-6 { background: #7a5cc9; color: #fff; fill: #7a5cc9; }
.c-7 { background: #e8dc3a; color: #111; fill: #e8dc3a; }
.c-here { background: #9aa5b3; color: #111; fill: #9aa5b3; }
.c-many { fill: #8b97a6; }
.c-missing { background: var(--missing); }

.strip { display: grid; grid-template-columns: repeat(48, minmax(0, 1fr)); gap: 1px; height: 1.3rem; border-radius: .25rem; overflow: hidden; }
.strip i { font: 600 .72rem/1.3rem ui-monospace, "Liberation Mono", monospace; text-align: center; overflow: hidden; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1rem; font-size: .9rem; }
.legend li { display: flex; gap: .4rem; align-items: baseline; min-width: 0; overflow-wrap: anywhere; }
.key { display: inline-block; width: 1.1rem; height: 1.1rem; flex: none; border-radius: .2rem; font: 600 .72rem/1.1rem ui-monospace, "Liberation Mono", monospace; text-align: center; align-self: center; }

.zones { display: grid; gap: .8rem 1.2rem; grid-template-columns: repeat(auto-fill, minmax(min(30rem, 100%), 1fr)); }
.zone > summary { display: flex; flex-wrap: wrap; gap: .2rem .7rem; align-items: center; cursor: pointer; padding: .15rem 0; }
.zone > summary::before { content: "▸"; color: var(--soft); width: .8rem; }
.zone[open] > summary::before { content: "▾"; }
summary { list-style: none; }
summary::-webkit-details-marker { display: none; }
.dots { display: flex; flex-wrap: wrap; gap: 3px; flex: 0 0 100%; padding-left: 1.5rem; }
.dots:empty { display: none; }
.dots i { width: .55rem; height: .55rem; border-radius: 50%; background: var(--missing); }
.dots .ok { background: var(--well); opacity: .55; } .dots .ok.moving { opacity: 1; background: var(--peers); }
.dots .degraded { background: var(--warn); border-radius: 0; } .dots .bad { background: var(--bad); border-radius: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(14rem, 100%), 1fr)); gap: .5rem; margin-top: .35rem; }
.tile { display: grid; grid-template-columns: minmax(0, 1fr); gap: .05rem; align-content: start; text-align: left; font: inherit; color: inherit; background: var(--faint); border: 1px solid transparent; border-radius: .4rem; padding: .5rem .65rem; cursor: pointer; min-width: 0; }
.tile:hover { border-color: var(--soft); }
.tile[aria-pressed=true] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.tile.degraded { background: var(--warn-ground); } .tile.bad { background: var(--bad-ground); }
.tile-name { display: flex; align-items: center; min-width: 0; font-weight: 600; }
.tile-name bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tag { margin-left: auto; padding-left: .5rem; font-weight: 400; font-size: .86rem; color: var(--soft); white-space: nowrap; }
.tile.degraded .tag { color: var(--warn); } .tile.bad .tag { color: var(--bad); }
.tile-rates { white-space: pre-wrap; color: var(--soft); }
.tile.moving .tile-rates { color: var(--accent); }
.tile-facts { font-size: .9rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }

.jobs { display: grid; gap: .9rem; }
.transfers { display: grid; gap: .9rem 1.6rem; grid-template-columns: repeat(auto-fill, minmax(min(31rem, 100%), 1fr)); }
.transfer { display: grid; gap: .25rem; align-content: start; grid-template-columns: minmax(0, 1fr); }
.line { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; }
.line .what { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; flex: 1 1 14rem; min-width: 0; overflow-wrap: anywhere; }
.repository { font-weight: 600; }
.line .number { margin-left: auto; }
.transfer .to { font-weight: 600; }
progress { width: 100%; height: .5rem; appearance: none; border: 0; border-radius: .25rem; overflow: hidden; background: var(--missing); }
progress::-webkit-progress-bar { background: var(--missing); }
progress::-webkit-progress-value { background: var(--peers); }
progress::-moz-progress-bar { background: var(--peers); }
.failed progress::-webkit-progress-value { background: var(--bad); }
.failed progress::-moz-progress-bar { background: var(--bad); }

.cells { display: grid; gap: 0 1rem; align-items: baseline; }
#pulls .cells { grid-template-columns: minmax(10rem, 3fr) minmax(6rem, 1.3fr) minmax(5rem, .8fr) 4.5rem 5.5rem 6rem 5.5rem 6.5rem; }
#images .cells { grid-template-columns: minmax(12rem, 3fr) 11rem 5.5rem 6.5rem minmax(9rem, 1.4fr); }
#registries .cells { grid-template-columns: minmax(10rem, 1.4fr) minmax(8rem, 1fr) minmax(9rem, 2fr) minmax(8rem, 1fr) 6rem; }
.head { color: var(--soft); font-size: .86rem; padding: 0 0 .3rem 1.1rem; }
.row { border-top: 1px solid var(--line); }
.row .cells { padding: .36rem 0 .36rem 1.1rem; position: relative; }
summary.cells { cursor: pointer; }
summary.cells:hover { background: var(--faint); }
summary.cells::before { content: "▸"; color: var(--soft); position: absolute; left: 0; top: .36rem; }
[open] > summary.cells::before { content: "▾"; }
.cell { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
/* of a name that is too long the end is shown, where the tag is */
.cells > .cell.name { direction: rtl; text-align: left; }
.cell.name .value { direction: ltr; unicode-bidi: isolate; }
.cell.wide .value { font: .92em ui-monospace, "Liberation Mono", monospace; color: var(--soft); }
#registries .cell { white-space: normal; overflow-wrap: anywhere; }
.row .label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.more { padding: .3rem 0 .8rem 1.1rem; display: grid; gap: .5rem; overflow-wrap: anywhere; }
.verdict { font-weight: 600; }
.legend + .facts { margin-top: .8rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .35rem 1rem; }
dt { color: var(--soft); font-size: .86rem; }
.blobs { font-size: .92rem; color: var(--soft); display: grid; gap: .5rem; }
.blobs .strip { margin-top: .2rem; color: var(--ink); }
.pager { display: flex; align-items: center; gap: .7rem; padding-top: .6rem; }
.pager button { font: inherit; line-height: 1; color: inherit; background: var(--card); border: 1px solid #7d8896; border-radius: .35rem; padding: .3rem .75rem; cursor: pointer; }
.pager button:disabled { color: var(--soft); border-color: var(--line); cursor: default; }
footer { margin-top: 1.2rem; font-size: .9rem; }

@media (max-width: 900px) {
  .pair { grid-template-columns: minmax(0, 1fr); }
  #pulls .cells { grid-template-columns: minmax(0, 3fr) minmax(0, 1.3fr) 4.5rem 5.5rem 6rem 6rem; }
  #pulls .cell:nth-child(3), #pulls .cell:nth-child(7) { display: none; }
}
@media (max-width: 600px) {
  body { padding: 1rem .8rem 1.5rem; }
  header { grid-template-columns: minmax(0, 1fr); }
  #link { margin-left: 0; }
  .saved { text-align: left; }
  section { padding: .8rem .8rem .9rem; }
  .troubles li { grid-template-columns: minmax(0, 1fr); gap: .1rem; }
  .strip i { font-size: 0; }
  .head { display: none; }
  #pulls .row .cells, #images .row .cells, #registries .row .cells { display: flex; flex-wrap: wrap; gap: .05rem .9rem; padding: .5rem 0 .5rem 1.1rem; }
  #registries .row .cells { padding-left: 0; }
  .cells > .cell.name { direction: ltr; }
  .row .cell, #pulls .row .cell:nth-child(n) { display: flex; gap: .4rem; white-space: normal; overflow-wrap: anywhere; text-align: left; color: var(--soft); }
  .row .cell.name, #pulls .row .cell.name:nth-child(n) { flex: 0 0 100%; font-weight: 600; color: var(--ink); }
  #pulls .row .cell:nth-child(7) .label, #images .row .cell:nth-child(n+4) .label, #registries .row .cell:nth-child(n+3) .label { position: static; width: auto; height: auto; clip-path: none; flex: none; }
  .line .number { margin-left: 0; }
}
@media (prefers-reduced-motion: no-preference) { .tile, .ribbon { transition: border-color .15s, opacity .15s; } }
`;
