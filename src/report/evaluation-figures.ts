// The paper's Figures 3 to 15 from scores: medical subjects, categories, subjects of each category.
import type { Benchmark } from "../data/benchmark-row.ts";
import type { BenchmarkScores, Score } from "../statistics/scores.ts";
import { type BarChart, drawBars } from "./bar-chart.ts";
import {
  benchmarkNames,
  type EvaluationScores,
  formatAccuracy,
  hasCategories,
  subjectName,
} from "./evaluation-tables.ts";
import { drawRadar } from "./radar-chart.ts";

/** A figure as it stands in the page and, with title and key drawn into it, in a file of its own. */
export interface Figure {
  /** "3a", "4", …: its number in the paper; names of figures that the paper does not have say what they show. */
  readonly number: string;
  readonly title: string;
  readonly note: string;
  /** Which part of the page it belongs to. */
  readonly section: string;
  readonly svg: string;
  readonly height: number;
  readonly key: readonly { readonly name: string; readonly color: number }[];
}

export type MedicalSubjects = Readonly<Record<Benchmark, readonly string[]>>;

/** The paper's numbers of the figures of categories, by benchmark and category. */
const numbers: Readonly<Partial<Record<Benchmark, Readonly<Record<string, string>>>>> = {
  mmlu: { "": "4", Humanities: "5", "Social Science": "6", STEM: "7", Other: "8" },
  cmmlu: { "": "9", "China specific": "10", Humanities: "11", "Social Science": "12", STEM: "13", Other: "14" },
  "mmlu-pro": { "": "15" },
};

// Of fewer questions an accuracy has a handful of values, and a radar shows no interval that would say so.
const fewestOfRadar = 5;

/** Every figure that the evaluations have scores for, in the paper's order. */
export function evaluationFigures(evaluations: readonly EvaluationScores[], medical: MedicalSubjects): Figure[] {
  const benchmarks = [...new Set(evaluations.flatMap((one) => one.benchmarks.map(({ benchmark }) => benchmark)))];
  const of = (benchmark: Benchmark): Part => ({
    benchmark,
    models: evaluations.map(({ name, benchmarks: all }, index) => ({
      name,
      color: index + 1,
      scores: all.find((one) => one.benchmark === benchmark),
    })),
  });
  const parts = benchmarks.map(of);
  const figures = [
    ...parts.flatMap((part) => medicalBars(part, medical[part.benchmark])),
    ...parts.flatMap((part) => medicalRadar(part, medical[part.benchmark])),
    ...parts.flatMap(benchmarkFigures),
  ];
  const place = (number: string) => Number.parseInt(number, 10) || 99;
  return figures.toSorted((a, b) => place(a.number) - place(b.number));
}

interface Part {
  readonly benchmark: Benchmark;
  readonly models: readonly {
    readonly name: string;
    readonly color: number;
    readonly scores: BenchmarkScores | undefined;
  }[];
}

const medicalLetters: Readonly<Partial<Record<Benchmark, string>>> = { mmlu: "3a", cmmlu: "3b", "mmlu-pro": "3c" };

/** The listed subjects that were asked. */
function askedOf(part: Part, subjects: readonly string[]): string[] {
  const asked = new Set(part.models.flatMap(({ scores }) => scores?.subjects.map(({ subject }) => subject) ?? []));
  return subjects.filter((subject) => asked.has(subject));
}

function medicalBars(part: Part, subjects: readonly string[]): Figure[] {
  const number = medicalLetters[part.benchmark];
  const asked = askedOf(part, subjects);
  if (number === undefined || asked.length === 0) return [];
  const title = `Medical subjects of ${benchmarkNames[part.benchmark]}`;
  return [barFigure(part, { number, title, section: "medical" }, subjectGroups(part, asked))];
}

function medicalRadar(part: Part, subjects: readonly string[]): Figure[] {
  const asked = askedOf(part, subjects);
  const counts = part.models.flatMap(({ scores }) =>
    questionCounts(asked.map((subject) => subjectScore(scores, subject))),
  );
  if (asked.length < 3 || Math.min(...counts) < fewestOfRadar) return [];
  const series = part.models.flatMap(({ name, color, scores }) => {
    const values = asked.map((subject) => subjectScore(scores, subject)?.accuracy);
    return values.every((value) => value !== undefined) ? [{ name, color, values }] : [];
  });
  const all = series.flatMap(({ values }) => values);
  const [min, max] = [Math.floor(10 * Math.min(...all) - 0.5) / 10, Math.ceil(10 * Math.max(...all)) / 10];
  const scale = { min: Math.max(0, min), max: Math.min(1, Math.max(max, min + 0.2)) };
  const number = `3d-${part.benchmark}`;
  const title = `Medical subjects of ${benchmarkNames[part.benchmark]}, radar`;
  const note = `The centre is an accuracy of ${scale.min.toFixed(1)}, the rim ${scale.max.toFixed(1)}.`;
  const names = asked.map(subjectName);
  const label = `${title}. ${series.map(({ name, values }) => `${name}: ${named(names, values)}`).join("; ")}.`;
  const { svg, height } = drawRadar({ label, subjects: names, ...scale, series }, `figure-${number}`);
  const key = series.map(({ name, color }) => ({ name, color }));
  return [{ number, title, note, section: "medical", svg, height, key }];
}

/** Categories, then the subjects of each category; subjects alone where there are no categories between. */
function benchmarkFigures(part: Part): Figure[] {
  const scores = part.models.find((model) => model.scores !== undefined)?.scores;
  if (scores === undefined || scores.subjects.length < 2) return [];
  const name = benchmarkNames[part.benchmark];
  const numberOf = (category: string) =>
    numbers[part.benchmark]?.[category] ??
    `${part.benchmark}-${category === "" ? "subjects" : category.replace(/\W+/g, "-").toLowerCase()}`;
  const figure = (category: string, title: string, groups: Groups) =>
    barFigure(part, { number: numberOf(category), title, section: part.benchmark }, groups);
  if (!hasCategories(scores)) {
    const names = scores.subjects.map(({ subject }) => subject);
    return [figure("", `Subjects of ${name}`, subjectGroups(part, names))];
  }
  const categories = scores.categories.map(({ category }) => category);
  return [
    figure("", `Categories of ${name}`, {
      names: categories,
      find: (one, category) => one.categories.find((found) => found.category === category),
      keys: categories,
    }),
    ...scores.categories.map(({ category, subjects }) =>
      figure(category, `${name}: ${category}`, subjectGroups(part, subjects)),
    ),
  ];
}

interface Groups {
  readonly keys: readonly string[];
  readonly names: readonly string[];
  readonly find: (scores: BenchmarkScores, key: string) => Score | undefined;
}

function subjectGroups(_: Part, subjects: readonly string[]): Groups {
  return {
    keys: subjects,
    names: subjects.map(subjectName),
    find: subjectScore,
  };
}

function barFigure(
  part: Part,
  about: Pick<Figure, "number" | "title" | "section">,
  { keys, names, find }: Groups,
): Figure {
  const series = part.models.map(({ name, color, scores }) => {
    const bars = keys.map((key) => {
      const score = scores === undefined ? undefined : find(scores, key);
      return score === undefined ? undefined : { value: score.accuracy, low: score.low, high: score.high };
    });
    return { name, color, bars };
  });
  const words = series.map(
    ({ name, bars }) =>
      `${name}: ${named(
        names,
        bars.map((bar) => bar?.value),
      )}`,
  );
  const scored = part.models.flatMap(({ scores }) =>
    keys.map((key) => (scores === undefined ? undefined : find(scores, key))),
  );
  const chart: BarChart = { label: `${about.title}, accuracy. ${words.join("; ")}.`, groups: names, series };
  return {
    ...about,
    note: `A bar is of ${range(questionCounts(scored))}; thin lines are 95 % intervals (Wilson).`,
    ...drawBars(chart, `figure-${about.number}`),
    key: series.map(({ name, color }) => ({ name, color })),
  };
}

function subjectScore(scores: BenchmarkScores | undefined, key: string): Score | undefined {
  return scores?.subjects.find(({ subject }) => subject === key);
}

function questionCounts(scores: readonly (Score | undefined)[]): number[] {
  return scores.flatMap((score) => (score === undefined ? [] : [score.questions]));
}

/** "1 question", "100 to 1,534 questions". */
function range(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const words =
    least === most
      ? most.toLocaleString("en-US")
      : `${least.toLocaleString("en-US")} to ${most.toLocaleString("en-US")}`;
  return `${words} ${most === 1 ? "question" : "questions"}`;
}

function named(names: readonly string[], values: readonly (number | undefined)[]): string {
  return names
    .map((name, index) => `${name} ${values[index] === undefined ? "–" : formatAccuracy(values[index])}`)
    .join(", ");
}
