// GSM8K (Cobbe et al., 2021, "Training Verifiers to Solve Math Word Problems"). Upstream: {train,test}.jsonl; on the hub
// openai/gsm8k, main/{train,test}-….parquet.
import type { BenchmarkRow } from "./benchmark-row.ts";
import type { RowReader, RowSource } from "./benchmark-source.ts";
import { readParquet } from "./parquet.ts";
import { describe, RowProblem, readJsonLines, textField } from "./rows.ts";

/** Rows are {question, answer}, where the answer is a worked solution that ends in "#### N". */
export const readGsm8kJsonLines: RowReader = (bytes, source, options) =>
  readJsonLines(new TextDecoder().decode(bytes), source.file, (value) => gsm8kRow(value, source), options);

export const readGsm8kParquet: RowReader = (bytes, source, options) =>
  readParquet(bytes, source.file, (value) => gsm8kRow(value, source), options);

function gsm8kRow(value: Record<string, unknown>, { nextId }: RowSource): BenchmarkRow {
  const id = nextId("gsm8k");
  const question = textField(value, "question");
  const solution = textField(value, "answer");
  const mark = solution.lastIndexOf("####");
  const answer = mark < 0 ? "" : solution.slice(mark + "####".length).trim();
  if (!/^-?[0-9][0-9.,]*$/.test(answer)) {
    throw new RowProblem(`"answer" ends in ${describe(solution.slice(-20))}; expected "#### " and a number`);
  }
  return { benchmark: "gsm8k", id, subject: "gsm8k", question, options: [], answer, solution };
}
