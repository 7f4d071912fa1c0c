// A figure as a file of its own: title, key and chart on a white ground.
import { chartWidth } from "./bar-chart.ts";
import type { Figure } from "./evaluation-figures.ts";
import { escapeHtml } from "./html.ts";
import { withLightColors } from "./palette.ts";
import { wrapped } from "./wrap.ts";

const margin = 14;
const keyLine = 17;

/** An SVG document with everything in it. Its text asks for Helvetica or Arial, else any sans-serif face. */
export function pictureOf(figure: Figure): string {
  const width = chartWidth + 2 * margin;
  const title = wrapped(`${titleOf(figure.number)}${figure.title}`, 52);
  const keyTop = margin + 20 * title.length;
  const chartTop = keyTop + keyLine * figure.key.length + 8;
  const noteTop = chartTop + figure.height + 14;
  const height = noteTop + margin;
  const text = (x: number, y: number, attributes: string, words: string) =>
    `<text x="${x}" y="${y}" ${attributes}>${escapeHtml(words)}</text>`;
  const parts = [
    `<rect width="${width}" height="${height}" fill="var(--paper)"/>`,
    ...title.map((line, i) =>
      text(margin, margin + 14 + 20 * i, `font-size="15" font-weight="bold" fill="var(--ink)"`, line),
    ),
    ...figure.key.map(
      ({ name, color }, i) =>
        `<rect x="${margin}" y="${keyTop + keyLine * i + 4}" width="12" height="9" fill="var(--series-${color})"/>` +
        text(margin + 18, keyTop + keyLine * i + 13, `fill="var(--ink)"`, wrapped(name, 60)[0] ?? ""),
    ),
    figure.svg.replace(
      /^<svg [^>]*>/,
      `<svg x="${margin}" y="${chartTop}" width="${chartWidth}" height="${figure.height}" viewBox="0 0 ${chartWidth} ${figure.height}">`,
    ),
    text(margin, noteTop, `font-size="11" fill="var(--muted)"`, figure.note),
  ];
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif" font-size="12">`;
  return withLightColors(`${open}\n${parts.join("\n")}\n</svg>\n`);
}

/** "Figure 4. " for figures that the paper numbers, "" for others. */
export function titleOf(number: string): string {
  return /^\d/.test(number) ? `Figure ${number.replace(/^3d-.*/, "3d")}. ` : "";
}

/** The name of its file without an ending: "figure-03a", "figure-12", "mmlu-uncategorized". */
export function pictureName({ number }: Pick<Figure, "number">): string {
  const [, digits = "", rest = ""] = /^(\d*)(.*)$/.exec(number) ?? [];
  return digits === "" ? rest : `figure-${digits.padStart(2, "0")}${rest}`;
}
