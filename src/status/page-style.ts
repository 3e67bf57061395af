export const style = `
:root { --ground: #f6f7f9; --card: #fff; --ink: #1b2430; --soft: #647084; --line: #e2e6ec; --accent: #0b7a75; --warn: #b25e00; --bad: #b3261e;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
@media (prefers-color-scheme: dark) { :root { --ground: #11161d; --card: #1a212b; --ink: #e6eaf0; --soft: #93a0b4; --line: #2a3442; --accent: #3fc1b8; --warn: #f0a04b; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin-bottom: 1rem; }
h1 { font-size: 1.4rem; margin: 0; letter-spacing: -.02em; }
h2 { font-size: .8rem; margin: 0 0 .4rem; color: var(--soft); font-weight: 600; text-transform: uppercase; letter-spacing: .06em; }
p { margin: 0; color: var(--soft); }
#link { margin-left: auto; }
#link[data-state=live] { color: var(--accent); }
#link[data-state=lost] { color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: 1rem; }
article, main > section:not(.cards) { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; }
main > section + section { margin-top: 1rem; overflow-x: auto; }
strong { font-size: 1.35rem; font-weight: 650; display: block; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.bar { height: .4rem; border-radius: .2rem; background: var(--line); overflow: hidden; margin-top: .5rem; }
.bar i { display: block; height: 100%; width: 0; background: var(--accent); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .85rem; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; }
td.name { font-family: ui-monospace, monospace; font-size: .85rem; overflow: hidden; text-overflow: ellipsis; max-width: 26rem; }
[data-tone=warn] { color: var(--warn); }
[data-tone=bad] { color: var(--bad); }
progress { width: 8rem; accent-color: var(--accent); }
td.empty { color: var(--soft); }
`;
