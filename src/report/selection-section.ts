// A selection's summary on the page: its numbers as they stand in the file, whatever their names.
import type { SelectionRun } from "./evaluation-report.ts";
import { escapeHtml } from "./html.ts";
import { formatNumber } from "./numbers.ts";
import { scrollable } from "./tables.ts";

/** One table a selection; nested objects have one line for each of their values. */
export function selectionSection(selections: readonly SelectionRun[]): string {
  return selections
    .map(({ name, summary }) => {
      const lines = linesOf(summary, []).map(
        ([path, value]) => `<tr><th scope="row">${escapeHtml(path)}</th><td>${escapeHtml(value)}</td></tr>`,
      );
      const table = `\n<thead><tr><th scope="col">Field</th><th scope="col">Value</th></tr></thead>\n<tbody>\n${lines.join("\n")}\n</tbody>`;
      return `<h3><bdi>${escapeHtml(name)}</bdi></h3>\n${scrollable(`Selection ${name}`, table)}`;
    })
    .join("\n");
}

const mostLines = 200;
const longestList = 12;

function linesOf(value: unknown, path: readonly string[]): [string, string][] {
  const name = path.join(" › ").replaceAll("_", " ");
  if (typeof value === "number") return [[name, formatNumber(value)]];
  if (typeof value !== "object" || value === null) return [[name, value === null ? "–" : String(value)]];
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== "object" || item === null);
    if (!isPlain) return [[name, `${value.length} entries`]];
    const more = value.length > longestList ? `, … ${value.length - longestList} more` : "";
    return [[name, `${value.slice(0, longestList).map(String).join(", ")}${more}`]];
  }
  return Object.entries(value)
    .flatMap(([key, inner]) => linesOf(inner, [...path, key]))
    .slice(0, mostLines);
}
