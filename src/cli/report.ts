// rlvr report: one page, pictures and tables of evaluations, trainings and selections.
import type { Benchmark } from "../data/benchmark-row.ts";
import { medicalSubjects } from "../data/categories.ts";
import { exitStatus, RlvrError } from "../errors.ts";
import { type EvaluationReportOptions, writeEvaluationReport } from "../recipes/evaluation-report.ts";
import type { MedicalSubjects } from "../report/evaluation-figures.ts";
import type { Console } from "./console.ts";

export interface ReportArguments extends Omit<EvaluationReportOptions, "medical" | "onWarning"> {
  readonly folders: readonly string[];
  /** "mmlu=anatomy,virology" and so on. */
  readonly medical: readonly string[];
}

/** Runs the command and gives its exit status. */
export async function report(args: ReportArguments, console: Console): Promise<number> {
  const { folders, medical, ...options } = args;
  const result = await writeEvaluationReport(folders, {
    ...options,
    medical: medicalLists(medical),
    onWarning: (message) => console.warn(message),
  });
  const others = result.files.filter((file) => !file.startsWith("figures/") && file !== "report.html");
  const lines = [
    `page:    ${result.page}`,
    `figures: ${result.figures} in ${result.folder}/figures`,
    `tables:  ${others.join(", ")}`,
  ];
  console.result(result, lines.join("\n"));
  return exitStatus.ok;
}

function medicalLists(lists: readonly string[]): Partial<MedicalSubjects> {
  const known = Object.keys(medicalSubjects);
  const entries = lists.map((text): [Benchmark, string[]] => {
    const [benchmark = "", subjects] = text.split("=", 2);
    if (subjects === undefined || !known.includes(benchmark)) {
      throw new RlvrError(
        "RLVR_USAGE",
        `[report] medical list "${text}"; expected a benchmark and its subjects, such as mmlu=anatomy,virology`,
      );
    }
    return [
      benchmark as Benchmark,
      subjects
        .split(",")
        .map((subject) => subject.trim())
        .filter((subject) => subject !== ""),
    ];
  });
  return Object.fromEntries(entries);
}
