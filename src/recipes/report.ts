// A run directory's page: reads its records, draws them, writes report.html.
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { runReport } from "../report/run-report.ts";
import { doing, writeFileWhole } from "../run/files.ts";
import { runFiles } from "../run/run-directory.ts";
import type { TrainResult } from "./grpo.ts";

/** Writes report.html of a run directory and gives its path. */
export async function writeRunReport(folder: string): Promise<string> {
  const read = async (name: keyof typeof runFiles) => {
    const file = join(folder, runFiles[name]);
    return await doing(`reading ${file}`, () => readFile(file, "utf8"));
  };
  const rows = (text: string): object[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  const summary = JSON.parse(await read("summary")) as TrainResult;
  const page = runReport({
    title: basename(resolve(folder)),
    config: await read("config"),
    metrics: rows(await read("metrics")),
    completions: rows(await read("completions")),
    evaluations: summary.evaluation,
  });
  const file = join(folder, runFiles.report);
  await writeFileWhole(file, page);
  return file;
}
