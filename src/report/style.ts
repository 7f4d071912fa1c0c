// The look of the page: light or dark as the reader's system says, one column or several as the window allows.

import { darkVariables, lightVariables } from "./palette.ts";

export const reportStyle = `
:root {
  color-scheme: light dark;
  ${lightVariables}
}
@media (prefers-color-scheme: dark) {
  :root { ${darkVariables} }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0.5rem 0 0.25rem; font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 0.75rem; font-size: 1.2rem; }
p { margin: 0.25rem 0 0.75rem; max-width: 48rem; }
.note, figcaption small, caption { color: var(--muted); font-size: 0.875rem; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1px; margin: 1.25rem 0;
  border: 1px solid var(--rule); border-radius: 6px; overflow: hidden; background: var(--card); }
dl.facts div { padding: 0.6rem 0.8rem; box-shadow: 0 0 0 1px var(--rule); }
dl.facts dt { color: var(--muted); font-size: 0.8rem; }
dl.facts dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1.25rem; }
figure { margin: 0; padding: 0.8rem 0.9rem 0.5rem; border: 1px solid var(--rule); border-radius: 6px; background: var(--card); }
figcaption { margin-bottom: 0.35rem; font-weight: 600; }
figcaption small { display: block; font-weight: 400; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font: 12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
ul.key { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; margin: 0.2rem 0; padding: 0; list-style: none; font-size: 0.875rem; }
ul.key li::before { content: ""; display: inline-block; width: 0.9em; height: 0.2em; margin: 0 0.4em 0.25em 0; background: var(--key); }
.s1 { --key: var(--series-1); } .s2 { --key: var(--series-2); } .s3 { --key: var(--series-3); }
.s4 { --key: var(--series-4); } .s5 { --key: var(--series-5); } .s6 { --key: var(--series-6); }
.s7 { --key: var(--series-7); } .s8 { --key: var(--series-8); }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }
.scroll:focus-visible { outline: 2px solid var(--series-1); }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
caption { padding: 0.5rem 0.75rem; text-align: left; }
th, td { padding: 0.4rem 0.75rem; border-top: 1px solid var(--rule); text-align: left; vertical-align: top; }
thead th { border-top: 0; background: var(--card); font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody th { font-weight: 500; }
.interval { color: var(--muted); font-size: 0.8rem; }
.better { color: var(--good); } .worse { color: var(--bad); }
.bar { display: block; width: 100%; min-width: 6rem; height: 0.5rem; margin-top: 0.3rem; }
.bar .track { fill: var(--rule); } .bar .fill { fill: var(--series-1); }
td.completion { min-width: 20rem; width: 60%; }
pre { margin: 0; font: 0.85rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
td.completion pre { max-height: 16rem; overflow-y: auto; }
details { margin: 0.75rem 0; }
summary { cursor: pointer; font-weight: 600; }
details > pre { margin-top: 0.5rem; padding: 0.75rem; border: 1px solid var(--rule); border-radius: 6px; background: var(--card); }
@media (max-width: 40rem) {
  table { font-size: 0.82rem; } th, td { padding: 0.35rem 0.4rem; } .interval { display: block; } .bar { min-width: 4rem; }
  td.completion { min-width: 16rem; }
}
@media print { body { max-width: none; } figure, tr { break-inside: avoid; } td.completion pre { max-height: none; } }
`;
