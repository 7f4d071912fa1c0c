// Selections on the page: side by side, their filter models, and every field of each summary as it stands in its file.
import type { SelectionRun } from "./evaluation-report.ts";
import { numberColumns, textColumns } from "./evaluation-tables.ts";
import { escapeHtml } from "./html.ts";
import { formatNumber, formatShare } from "./numbers.ts";
import { textTable } from "./tables.ts";

/** The selections side by side, then every field of each; nested objects have one line for each of their values. */
export function selectionSection(selections: readonly SelectionRun[]): string {
  if (selections.length === 0) return "";
  return [sideBySide(selections), modelsTable(selections), ...selections.map(allFields)].join("\n");
}

/** How each was composed, and how much of a training on it would carry a signal. */
function sideBySide(selections: readonly SelectionRun[]): string {
  const rows = selections.map(({ name, summary }) => {
    const pools = listAt(summary, "pools").map(
      (pool) => `${text(pool.name)} ${text(pool.taken)} of ${text(pool.found)}`,
    );
    const noSignal = objectAt(summary, "no_signal");
    const words = objectAt(summary, "question_words");
    const check = objectAt(summary, "decontamination");
    const replaced = Array.isArray(check.replaced) ? check.replaced.length : undefined;
    return [
      ...[name, text(summary.strategy), text(summary.candidates), text(summary.chosen), pools.join(", ") || "–"],
      ...[counts(summary.causes), share(noSignal.smoothed), text(words.median)],
      replaced === undefined ? "not looked for" : `${replaced} replaced`,
    ];
  });
  const columns = [
    ...textColumns("Selection", "Strategy"),
    ...numberColumns("Candidates", "Chosen"),
    ...textColumns("Taken", "Causes of hard"),
    ...numberColumns("Groups without an accuracy signal", "Median words"),
    ...textColumns("Overlap with evaluation sets"),
  ];
  return textTable({ title: "Selections", columns, rows });
}

/** How each filter model answered the candidates. */
function modelsTable(selections: readonly SelectionRun[]): string {
  const rows = selections.flatMap(({ name, summary }) =>
    listAt(summary, "models").map((model) => [
      ...[name, text(model.model), text(model.questions), text(model.samples), share(model.pass_rate)],
      ...[text(model.easy), text(model.hard), counts(model.causes), share(model.unparsed), share(model.truncated)],
      text(objectAt(model, "completion_tokens").median),
    ]),
  );
  const columns = [
    ...textColumns("Selection", "Filter model"),
    ...numberColumns("Questions", "Answers each", "Right", "Easy", "Hard"),
    ...textColumns("Causes of hard"),
    ...numberColumns("Unparsed", "Truncated", "Median tokens"),
  ];
  return rows.length === 0 ? "" : `<h3>Filter models</h3>\n${textTable({ title: "Filter models", columns, rows })}`;
}

function allFields({ name, summary }: SelectionRun): string {
  const rows = linesOf(summary, []);
  const fields = textTable({ title: `Selection ${name}`, columns: textColumns("Field", "Value"), rows });
  return `<details><summary>Every field of <bdi>${escapeHtml(name)}</bdi></summary>${fields}</details>`;
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectAt(fields: Fields, name: string): Fields {
  const value = fields[name];
  return isFields(value) ? value : {};
}

function listAt(fields: Fields, name: string): Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function text(value: unknown): string {
  if (typeof value === "number") return formatNumber(value);
  return typeof value === "string" ? value : "–";
}

function share(value: unknown): string {
  return formatShare(typeof value === "number" ? value : undefined);
}

function counts(value: unknown): string {
  const entries = isFields(value) ? Object.entries(value) : [];
  return entries.map(([name, count]) => `${name.replaceAll("_", " ")} ${text(count)}`).join(", ") || "–";
}

const mostLines = 200;
const longestList = 12;

function linesOf(value: unknown, path: readonly string[]): [string, string][] {
  const name = path.join(" › ").replaceAll("_", " ");
  if (typeof value === "number") return [[name, formatNumber(value)]];
  if (typeof value !== "object" || value === null) return [[name, value === null ? "–" : String(value)]];
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== "object" || item === null);
    if (!isPlain && value.length > longestList) return [[name, `${value.length} entries`]];
    if (!isPlain) return value.flatMap((item, index) => linesOf(item, [...path, String(index + 1)]));
    const more = value.length > longestList ? `, … ${value.length - longestList} more` : "";
    return [[name, `${value.slice(0, longestList).map(String).join(", ")}${more}`]];
  }
  return Object.entries(value)
    .flatMap(([key, inner]) => linesOf(inner, [...path, key]))
    .slice(0, mostLines);
}
