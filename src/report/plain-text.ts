// Tables of text for the terminal, for Markdown and for CSV; what a file or a model wrote stays text in each.
import type { Cell, TextTable } from "./evaluation-tables.ts";

/** Columns one below another, numbers to the right. Control characters are made visible: they could move the cursor. */
export function terminalTable({ title, columns, rows }: TextTable): string {
  const names = columns.map(({ name }) => visible(name));
  const cells = rows.map((row) => row.map(visible));
  const widths = names.map((name, i) => Math.max(...[name, ...cells.map((row) => row[i] ?? "")].map(width)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        const padding = " ".repeat((widths[i] ?? 0) - width(cell));
        return columns[i]?.isNumber ? padding + cell : cell + padding;
      })
      .join("  ")
      .trimEnd();
  return [visible(title), line(names), line(widths.map((count) => "-".repeat(count))), ...cells.map(line)].join("\n");
}

/** Terminal columns of a text: East Asian characters take two. */
function width(text: string): number {
  const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
  return [...text].reduce((sum, character) => sum + (wide.test(character) ? 2 : 1), 0);
}

function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, "\ufffd");
}

export function markdownTable({ title, columns, rows }: TextTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    `**${escapeMarkdown(title)}**`,
    "",
    line(columns.map(({ name }) => escapeMarkdown(name))),
    line(columns.map(({ isNumber }) => (isNumber ? "---:" : "---"))),
    ...rows.map((row) => line(row.map(escapeMarkdown))),
  ].join("\n");
}

/** Text that no Markdown reader takes for markup, on one line. */
export function escapeMarkdown(text: string): string {
  return visible(text)
    .replace(/[\\`*_[\]#|~]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

/** RFC 4180, with the header first. A text that a spreadsheet would take for a formula begins with an apostrophe. */
export function csv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [header, ...rows].map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

function csvCell(value: Cell): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
