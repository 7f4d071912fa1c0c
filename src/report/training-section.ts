// Trainings on the page of evaluations: what they have in common side by side, and every curve of each.
import type { EvaluationReport } from "./evaluation-report.ts";
import { figuresOf, sideBySide } from "./figures.ts";
import { escapeHtml } from "./html.ts";
import { seriesColors } from "./palette.ts";
import type { Row } from "./rows.ts";

/** One training is shown whole; of several the curves that tell them apart come first, and the others unfold. */
export function trainingSection({ trainings, runs }: Pick<EvaluationReport, "trainings" | "runs">): string {
  const own = trainings.map(({ name, metrics, completions }, index) => {
    const figures = figuresOf(metrics as readonly Row[], completions as readonly Row[], `training-${index + 1}`);
    return { title: `<bdi>${escapeHtml(name)}</bdi>`, figures };
  });
  if (own.length < 2) return own.map(({ title, figures }) => `<h3>${title}</h3>\n${figures}`).join("\n");
  // What was trained has the colour here that its evaluation has in the other figures.
  const evaluations = runs.map(({ manifest }) => manifest.name);
  const isNamed = trainings.every(({ name }) => evaluations.includes(name));
  const compared = trainings.slice(0, seriesColors).map(({ name, metrics }, index) => ({
    name,
    color: 1 + (isNamed ? evaluations.indexOf(name) : index),
    metrics: metrics as readonly Row[],
  }));
  return [
    sideBySide(compared, "trainings"),
    ...own.map(({ title, figures }) => `<details><summary>Every curve of ${title}</summary>\n${figures}</details>`),
  ].join("\n");
}
