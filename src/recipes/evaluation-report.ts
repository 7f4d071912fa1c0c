// rlvr report: folders of evaluations, trainings and selections in, one folder with the page and every other form out.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { benchmarks as allBenchmarks, type Benchmark } from "../data/benchmark-row.ts";
import { medicalSubjects } from "../data/categories.ts";
import { RlvrError } from "../errors.ts";
import { evaluationFigures, type MedicalSubjects } from "../report/evaluation-figures.ts";
import { evaluationPage } from "../report/evaluation-page.ts";
import {
  comparisonsCsv,
  type EvaluationReport,
  reportJson,
  reportMarkdown,
  type SelectionRun,
  scoresCsv,
  type TrainingRun,
} from "../report/evaluation-report.ts";
import { lmEvalJson } from "../report/lm-eval.ts";
import { seriesColors } from "../report/palette.ts";
import { pictureName, pictureOf } from "../report/picture.ts";
import { evaluationFiles } from "../run/evaluation-folder.ts";
import { doing, makeFolder, writeFileWhole } from "../run/files.ts";
import { runFiles } from "../run/run-directory.ts";
import { compareEvaluations, defaultBootstrap, pairsOf } from "../statistics/compare.ts";
import { scoreBenchmark } from "../statistics/scores.ts";
import { categoryChooser } from "./compare.ts";
import { type PngRenderer, pngRenderer } from "./pictures.ts";
import { readEvaluations, type StoredEvaluation } from "./read-evaluation.ts";

export interface EvaluationReportOptions {
  readonly out: string;
  readonly title?: string | undefined;
  readonly benchmarks?: readonly Benchmark[] | undefined;
  readonly pairs?: "baseline" | "all" | undefined;
  readonly categoryMaps?: readonly string[] | undefined;
  /** Subjects of the medical figures; a benchmark without a list has its default. */
  readonly medical?: Partial<MedicalSubjects> | undefined;
  readonly resamples?: number | undefined;
  readonly seed?: number | undefined;
  /** Longest completion in the page, in characters; answers.jsonl keeps the whole. */
  readonly textLimit?: number | undefined;
  /** "auto" leaves PNG out with a warning where it cannot be drawn; "always" fails; "never" does not try. */
  readonly png?: "auto" | "always" | "never" | undefined;
  readonly fontFiles?: readonly string[] | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface EvaluationReportResult {
  readonly folder: string;
  readonly page: string;
  readonly files: readonly string[];
  readonly evaluations: readonly string[];
  readonly figures: number;
}

const defaultTextLimit = 16_000;

/** Writes the report of the folders and gives what was written. */
export async function writeEvaluationReport(
  folders: readonly string[],
  options: EvaluationReportOptions,
): Promise<EvaluationReportResult> {
  const sorted = sortFolders(folders);
  const runs = await readEvaluations(sorted.evaluations, {
    benchmarks: options.benchmarks,
    textLimit: options.textLimit ?? defaultTextLimit,
  });
  for (const { manifest } of runs.filter((run) => run.manifest.finished === null)) {
    options.onWarning?.(`the evaluation "${manifest.name}" has not finished: its scores are of the answers so far`);
  }
  const report: EvaluationReport = {
    ...compared(runs, options),
    trainings: await Promise.all(sorted.trainings.map(readTraining)),
    selections: await Promise.all(sorted.selections.map(readSelection)),
  };
  const files = new Map<string, string | Uint8Array>([
    ["report.html", evaluationPage(report)],
    ["report.json", reportJson(report)],
    ["report.md", reportMarkdown(report)],
    ["scores.csv", scoresCsv(report.scores)],
    ["comparisons.csv", comparisonsCsv(report.comparisons)],
  ]);
  const names = new Set<string>();
  for (const [index, { manifest }] of runs.entries()) {
    const name = fileName(manifest.name, names, index);
    files.set(`lm-eval/${name}.json`, lmEvalJson(manifest, report.scores[index]?.benchmarks ?? []));
  }
  const renderer = await rendererFor(options);
  for (const figure of report.figures) {
    const svg = pictureOf(figure);
    files.set(`figures/${pictureName(figure)}.svg`, svg);
    if (renderer !== undefined) files.set(`figures/${pictureName(figure)}.png`, renderer.png(svg));
  }
  for (const folder of [options.out, join(options.out, "figures"), join(options.out, "lm-eval")])
    await makeFolder(folder);
  for (const [name, content] of files) await writeFileWhole(join(options.out, name), content);
  return {
    folder: options.out,
    page: join(options.out, "report.html"),
    files: [...files.keys()],
    evaluations: runs.map(({ manifest }) => manifest.name),
    figures: report.figures.length,
  };
}

function compared(
  runs: readonly StoredEvaluation[],
  options: EvaluationReportOptions,
): Omit<EvaluationReport, "trainings" | "selections"> {
  const categories = categoryChooser(options.categoryMaps ?? [], runs[0]?.categoryMaps);
  const resamples = options.resamples ?? defaultBootstrap.resamples;
  const seed = options.seed ?? defaultBootstrap.seed;
  const scores = runs.map(({ manifest, answers }) => ({
    name: manifest.name,
    benchmarks: allBenchmarks.flatMap((benchmark) => {
      const own = answers.filter((answer) => answer.benchmark === benchmark);
      return own.length === 0 ? [] : [scoreBenchmark(benchmark, own, categories(benchmark))];
    }),
  }));
  const comparisons = pairsOf(runs, options.pairs ?? "baseline").map(([first, second]) =>
    compareEvaluations(first, second, { resamples, seed, categoriesOf: categories }),
  );
  const figures = evaluationFigures(scores, { ...medicalSubjects, ...options.medical });
  return { title: options.title ?? "Evaluation report", runs, scores, comparisons, figures, resamples, seed };
}

interface SortedFolders {
  readonly evaluations: readonly string[];
  readonly trainings: readonly string[];
  readonly selections: readonly string[];
}

/** Which folder holds what, by the files in it. */
function sortFolders(folders: readonly string[]): SortedFolders {
  const has = (folder: string, file: string) => existsSync(join(folder, file));
  const kindOf = (folder: string) => {
    if (has(folder, evaluationFiles.manifest)) return "evaluations";
    if (has(folder, runFiles.metrics)) return "trainings";
    if (has(folder, runFiles.summary)) return "selections";
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[report] ${folder} ${existsSync(folder) ? "holds" : "is not there; expected a folder with"} ` +
        `${existsSync(folder) ? "no run: expected " : ""}evaluation.json (an evaluation), metrics.jsonl (a training) or summary.json (a selection)`,
    );
  };
  const of = (kind: string) => folders.filter((folder) => kindOf(folder) === kind);
  const sorted = { evaluations: of("evaluations"), trainings: of("trainings"), selections: of("selections") };
  const count = sorted.evaluations.length;
  if (count === 0) {
    throw new RlvrError(
      "RLVR_USAGE",
      "[report] no evaluation among the folders; expected one that rlvr evaluate has written",
    );
  }
  if (count > seriesColors) {
    throw new RlvrError(
      "RLVR_USAGE",
      `[report] ${count} evaluations; figures can tell ${seriesColors} apart: make several reports`,
    );
  }
  return sorted;
}

async function readTraining(folder: string): Promise<TrainingRun> {
  const rows = async (name: string): Promise<object[]> => {
    const file = join(folder, name);
    if (!existsSync(file)) return [];
    const text = await doing(`reading ${file}`, () => readFile(file, "utf8"));
    const lines = text.split("\n");
    // What follows the last line end was being written when the run stopped.
    return lines
      .slice(0, -1)
      .flatMap((line, index) => (line === "" ? [] : [parsed(line, `${file}, line ${index + 1}`)]));
  };
  return {
    name: basename(resolve(folder)),
    metrics: await rows(runFiles.metrics),
    completions: await rows(runFiles.completions),
  };
}

async function readSelection(folder: string): Promise<SelectionRun> {
  const file = join(folder, runFiles.summary);
  const text = await doing(`reading ${file}`, () => readFile(file, "utf8"));
  return { name: basename(resolve(folder)), summary: parsed(text, file) as Record<string, unknown> };
}

function parsed(text: string, place: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RlvrError(
      "RLVR_BAD_DATA",
      `[report] ${place} is not JSON (${error instanceof Error ? error.message : error})`,
    );
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new RlvrError("RLVR_BAD_DATA", `[report] ${place} is not a JSON object`);
}

async function rendererFor({ png, fontFiles, onWarning }: EvaluationReportOptions): Promise<PngRenderer | undefined> {
  if (png === "never") return undefined;
  try {
    return await pngRenderer(fontFiles);
  } catch (error) {
    if (png === "always" || !(error instanceof RlvrError)) throw error;
    onWarning?.(`${error.message} The report has SVG pictures only.`);
    return undefined;
  }
}

/** A name that every file system takes, and that no earlier evaluation has. */
function fileName(name: string, taken: Set<string>, index: number): string {
  const plain = name
    .replace(/[^\w.-]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 80);
  const free = plain === "" || taken.has(plain.toLowerCase()) ? `${plain}-${index + 1}` : plain;
  taken.add(free.toLowerCase());
  return free;
}
