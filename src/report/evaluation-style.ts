// What the page of evaluations has beyond that of a run: its contents, wide tables, and the answers' browser.
import { reportStyle } from "./style.ts";

export const evaluationStyle = `${reportStyle}
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0.5rem 0 0; padding: 0; list-style: none; font-size: 0.95rem; }
a { color: var(--series-1); }
h3 { margin: 1.75rem 0 0.6rem; font-size: 1.05rem; overflow-wrap: anywhere; }
.pictures { columns: 24rem; column-gap: 1.25rem; }
.pictures figure { break-inside: avoid; margin-bottom: 1.25rem; }
.pictures figure svg { max-width: 34rem; margin: 0 auto; }
ul.key li { overflow-wrap: anywhere; }
ul.key li::before { height: 0.6em; margin-bottom: 0; }
tr.paper th, tr.paper td { color: var(--muted); }
tr.group th { background: var(--card); text-align: left; font-weight: 600; }
tr.group th > span { position: sticky; left: 0.75rem; display: inline-block; max-width: min(100%, 80vw); }
td small, th small { display: block; color: var(--muted); font-size: 0.78rem; font-weight: 400; white-space: nowrap; }
.texts thead th:not(.n) { min-width: 6rem; } .texts thead th { white-space: normal; vertical-align: bottom; }
.texts { margin-bottom: 1rem; }
.texts td:not(.n) { min-width: 6rem; overflow-wrap: break-word; }
.filters + .pager { margin-bottom: 0.25rem; }
.table-one { margin-bottom: 1.25rem; }
.facts dd { overflow-wrap: anywhere; }
.filters { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10rem), 1fr)); gap: 0.6rem; margin: 0.75rem 0; }
.filters label { display: block; color: var(--muted); font-size: 0.8rem; }
.filters select, .filters input { display: block; width: 100%; margin-top: 0.15rem; padding: 0.4rem 0.5rem; border: 1px solid var(--rule);
  border-radius: 4px; background: var(--paper); color: var(--ink); font: inherit; font-size: 0.95rem; }
.pager { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem; margin: 0.5rem 0; }
.pager button { padding: 0.35rem 0.9rem; border: 1px solid var(--rule); border-radius: 4px; background: var(--card); color: var(--ink); font: inherit; cursor: pointer; }
.pager button:disabled { opacity: 0.45; cursor: default; }
.pager output { font-variant-numeric: tabular-nums; }
.question { margin: 0; border-top: 1px solid var(--rule); }
.question > summary { display: grid; grid-template-columns: 11rem minmax(0, 1fr) auto; gap: 0.25rem 0.9rem; align-items: baseline; padding: 0.45rem 0.25rem; font-weight: 400; }
.question > summary:hover, .question > summary:focus-visible { background: var(--card); }
.question .subject { color: var(--muted); font-size: 0.85rem; overflow-wrap: anywhere; }
.question .excerpt { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: isolate; }
.marks { display: flex; flex-wrap: wrap; gap: 0.3rem; }
.mark { min-width: 1.9rem; padding: 0 0.35rem; border: 1px solid currentColor; border-radius: 3px; font: 0.8rem/1.5 ui-monospace, Menlo, Consolas, monospace; text-align: center; }
.mark.right { color: var(--good); } .mark.wrong { color: var(--bad); } .mark.none { color: var(--muted); }
.mark.right::after { content: " ✓"; } .mark.wrong::after { content: " ✗"; }
.opened { padding: 0.25rem 0.25rem 1rem; }
.question-text { max-width: none; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
ul.options { margin: 0.25rem 0 0.5rem; padding: 0; list-style: none; }
ul.options li { padding: 0.1rem 0.5rem; overflow-wrap: anywhere; }
ul.options li.gold { background: var(--card); box-shadow: inset 3px 0 0 var(--good); }
.answer { margin-top: 0.75rem; }
.answer h4 { margin: 0 0 0.25rem; padding-left: 0.5rem; border-left: 4px solid var(--key, var(--rule)); font-size: 0.95rem; overflow-wrap: anywhere; }
.answer h4 small { color: var(--muted); font-weight: 400; }
.answer pre { max-height: 24rem; overflow: auto; padding: 0.6rem 0.75rem; border: 1px solid var(--rule); border-radius: 6px; background: var(--card); unicode-bidi: plaintext; }
@media (max-width: 40rem) {
  .scroll tbody th[scope="row"], .scroll thead th:first-child { position: sticky; left: 0; z-index: 1; min-width: 7.75rem; max-width: 9rem; background: var(--paper); box-shadow: 1px 0 0 var(--rule); overflow-wrap: anywhere; }
  .scroll thead th:first-child { background: var(--card); }
  .question > summary { grid-template-columns: minmax(0, 1fr) auto; }
  .question .excerpt { grid-column: 1 / -1; grid-row: 2; white-space: normal; display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
}
@media print { #answers { display: none; } .pictures { columns: 2; } }
`;
