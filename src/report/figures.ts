// Which curves a run has, and what is said about each.

import { type Chart, drawChart, type Series } from "./charts.ts";
import { escapeHtml } from "./html.ts";
import { formatNumber, formatShare, trailingMeans } from "./numbers.ts";
import { numberAt, type Row, rewardNames } from "./rows.ts";

type Figure = { title: string; note: string; chart: Chart };

/** Every figure that the rows have numbers for, as one block of HTML. Inner ids begin with `id`. */
export function figuresOf(metrics: readonly Row[], completions: readonly Row[], id = "figure"): string {
  if (metrics.length === 0) return `<p class="note">The run has no finished step yet.</p>`;
  const figures = [
    rewardFigure(metrics),
    rewardsFigure(metrics),
    sharesFigure(completions),
    curve(metrics, "kl", "KL to the base model", "Mean over tokens of the KL estimate; 0 when beta is 0."),
    curve(metrics, "entropy", "Entropy", "Mean over tokens of the policy's entropy, in nats."),
    lengthFigure(metrics),
    curve(metrics, "learning_rate", "Learning rate", "Of each optimizer step.", false),
    curve(metrics, "grad_norm", "Gradient norm", "Global norm before clipping."),
    curve(metrics, "loss", "Loss", "Near 0 by construction when there is one update per batch: watch the reward."),
    signalFigure(metrics),
    curve(
      metrics,
      "sampler_gap",
      "Sampler gap",
      "Largest difference of a token's logprob between sampling and training.",
      false,
    ),
    timeFigure(metrics),
  ];
  const window = smoothingWindow(metrics.length);
  const lead =
    window === 1
      ? ""
      : `<p class="note">Pale lines are single steps, strong lines the mean of the last ${window}.</p>\n`;
  return `${lead}${grid(figures, id)}`;
}

/** Curves of several runs in one figure each: what the runs were to raise, and what it cost. */
export function sideBySide(
  runs: readonly { readonly name: string; readonly color: number; readonly metrics: readonly Row[] }[],
  id: string,
): string {
  const window = smoothingWindow(Math.max(...runs.map(({ metrics }) => metrics.length)));
  const figure = (field: string, title: string, note: string, more: Partial<Chart> = {}) => {
    const series = runs.map(({ name, color, metrics }): Series => {
      const points = pointsOf(metrics, field);
      const means = trailingMeans(
        points.map(([, y]) => y),
        window,
      );
      return { name, points: points.map(([x], at) => [x, means[at]] as const), color };
    });
    return lines(title, note, series, more);
  };
  const rewards = rewardNames(runs.flatMap(({ metrics }) => metrics));
  const figures = [
    figure("reward", "Reward", "Mean weighted reward of a step's completions."),
    ...rewards.map((name) => figure(`rewards/${name}`, `Reward: ${name}`, "Its mean before its weight.")),
    figure("kl", "KL to the base model", "Mean over tokens of the KL estimate."),
    figure("completion_length", "Completion length", "Mean tokens of a completion."),
    figure("informative_groups", "Groups with a signal", signalNote, { yMin: 0, yMax: 1 }),
  ];
  if (figures.every((one) => one === undefined)) return `<p class="note">The trainings have no finished step yet.</p>`;
  const lead = window === 1 ? "" : `<p class="note">Lines are the mean of the last ${window} steps.</p>\n`;
  return `${lead}${grid(figures, id)}`;
}

/** The figures that there are; one that would be a line along its axis is said in words. */
function grid(figures: readonly (Figure | undefined)[], id: string): string {
  const present = figures.filter((figure) => figure !== undefined);
  const drawn = present.filter((figure) => !isZero(figure));
  const zeros = present.filter(isZero).map(({ title, note }) => {
    return `\n<p class="note">${escapeHtml(title)}: 0 at every step. ${escapeHtml(note)}</p>`;
  });
  const html = drawn.map((figure, index) => figureHtml(figure, `${id}-${index + 1}`));
  return `<div class="figures">\n${html.join("\n")}\n</div>${zeros.join("")}`;
}

function isZero({ chart }: Figure): boolean {
  const values = chart.series.flatMap(({ points }) => points.map(([, y]) => y).filter((y) => y !== undefined));
  return values.every((value) => value === 0);
}

function figureHtml({ title, note, chart }: Figure, id: string): string {
  const named = chart.series.filter((series) => !series.faint);
  const key = named.map((series) => `<li class="s${series.color}"><bdi>${escapeHtml(series.name)}</bdi></li>`).join("");
  return (
    `<figure>\n<figcaption>${escapeHtml(title)} <small>${escapeHtml(note)}</small></figcaption>\n` +
    (named.length > 1 ? `<ul class="key">${key}</ul>\n` : "") +
    `${drawChart(chart, id)}\n</figure>`
  );
}

/** Steps that a strong line is the mean of: a tenth of the run. */
export function smoothingWindow(steps: number): number {
  return Math.max(1, Math.round(steps / 10));
}

/** The raw values, pale, under their trailing mean. */
function smoothed(name: string, points: Series["points"], color: number): Series[] {
  const window = smoothingWindow(points.length);
  if (window === 1) return [{ name, points, color }];
  const means = trailingMeans(
    points.map(([, y]) => y),
    window,
  );
  return [
    { name: `${name}, each step`, points, color, faint: true },
    { name, points: points.map(([x], i) => [x, means[i]] as const), color },
  ];
}

function pointsOf(metrics: readonly Row[], field: string): Series["points"] {
  return metrics.map((row, index) => [numberAt(row, "step") ?? index + 1, numberAt(row, field)] as const);
}

function hasNumbers(points: Series["points"]): boolean {
  return points.some(([, y]) => y !== undefined);
}

/** In words, for readers who cannot see the curve. */
function describe(title: string, series: readonly Series[], format = formatNumber): string {
  const parts = series
    .filter((one) => !one.faint)
    .map(({ name, points }) => {
      const known = points.filter((point): point is readonly [number, number] => point[1] !== undefined);
      const [first, last] = [known[0], known.at(-1)];
      if (first === undefined || last === undefined) return `${name} has no values`;
      return `${name} is ${format(first[1])} at step ${first[0]} and ${format(last[1])} at step ${last[0]}`;
    });
  return `${title}. Line chart over steps: ${parts.join("; ")}.`;
}

function lines(title: string, note: string, series: Series[], more: Partial<Chart> = {}): Figure | undefined {
  if (!series.some((one) => hasNumbers(one.points))) return undefined;
  return { title, note, chart: { label: describe(title, series), series, xName: "step", ...more } };
}

function curve(metrics: readonly Row[], field: string, title: string, note: string, smooth = true): Figure | undefined {
  const points = pointsOf(metrics, field);
  return lines(title, note, smooth ? smoothed(title, points, 1) : [{ name: title, points, color: 1 }]);
}

function rewardFigure(metrics: readonly Row[]): Figure | undefined {
  const note = "Mean weighted reward of the step's completions.";
  return lines("Reward", note, smoothed("Reward", pointsOf(metrics, "reward"), 1));
}

function rewardsFigure(metrics: readonly Row[]): Figure | undefined {
  const series = rewardNames(metrics).flatMap((name, index) =>
    smoothed(name, pointsOf(metrics, `rewards/${name}`), 1 + (index % 6)),
  );
  return lines("Each reward", "Mean of each reward before its weight.", series);
}

/** The paper's rewards give 2 to a right letter in its tags and to the strict form. */
const fullScore = 2;

function sharesFigure(completions: readonly Row[]): Figure | undefined {
  const steps = new Map<number, Row[]>();
  for (const row of completions) {
    const step = numberAt(row, "step");
    if (step !== undefined) steps.set(step, [...(steps.get(step) ?? []), row]);
  }
  const shares = (field: string): Series["points"] =>
    [...steps].map(([step, rows]) => {
      const scores = rows.map((row) => numberAt(row, field)).filter((score) => score !== undefined);
      return [
        step,
        scores.length === 0 ? undefined : scores.filter((score) => score >= fullScore).length / scores.length,
      ];
    });
  const series = [
    ...smoothed("right letter in its tags", shares("rewards/accuracy"), 1),
    ...smoothed("strict form", shares("rewards/format"), 2),
  ].filter((one) => hasNumbers(one.points));
  const title = "Accuracy and format";
  const label = describe(title, series, formatShare);
  return lines(title, "Share of the step's completions with the full score.", series, { yMin: 0, yMax: 1, label });
}

function lengthFigure(metrics: readonly Row[]): Figure | undefined {
  const cut = metrics.map((row) => numberAt(row, "truncated_ratio") ?? 0);
  const most = Math.max(...cut);
  const note = `Mean tokens of a completion. Cut off by the length limit: at most ${formatShare(most)} in a step.`;
  return lines("Completion length", note, smoothed("Tokens", pointsOf(metrics, "completion_length"), 1));
}

const signalNote = "Share of groups whose completions differ in reward; the others give no gradient.";

function signalFigure(metrics: readonly Row[]): Figure | undefined {
  const points = pointsOf(metrics, "informative_groups");
  return lines("Groups with a signal", signalNote, smoothed("Informative groups", points, 1), { yMin: 0, yMax: 1 });
}

function timeFigure(metrics: readonly Row[]): Figure | undefined {
  const parts = ["rollout", "reference", "train"];
  const series = parts
    .map((part, index) => ({ name: part, points: pointsOf(metrics, `time/${part}`), color: index + 1 }))
    .filter(({ points }) => points.some(([, y]) => y !== undefined && y > 0));
  const totals = series.map(({ name, points }) => [name, points.reduce((sum, [, y]) => sum + (y ?? 0), 0)] as const);
  const all = totals.reduce((sum, [, seconds]) => sum + seconds, 0);
  const shares = totals.map(([name, seconds]) => `${name} ${formatShare(seconds / all)}`).join(", ");
  return lines("Time of a step", `Seconds, stacked. In all: ${shares}.`, series, { stacked: true, yMin: 0 });
}
