// What the readers of the benchmarks share: the source that a row comes from, and the fields that a row must have.
import type { Benchmark, BenchmarkRow } from "./benchmark-row.ts";
import { describe, type RowOptions, RowProblem, type Rows } from "./rows.ts";

/** One file of a benchmark. */
export interface RowSource {
  readonly file: string;
  /** The subject that the path names; undefined where rows name it themselves. */
  readonly subject: string | undefined;
  /**
   * The id of the next row of a subject: "mmlu/anatomy/test/12", counted from 1 over the files of a split, bad rows
   * included. So a row has the same id in each of the layouts that its data set comes in.
   */
  nextId(subject: string): string;
}

export type RowReader = (
  bytes: Uint8Array,
  source: RowSource,
  options: RowOptions,
) => Rows<BenchmarkRow> | Promise<Rows<BenchmarkRow>>;

/** A lettered row: every option has text, and the answer is one of their letters. */
export function choiceRow(row: Omit<BenchmarkRow, "benchmark">, benchmark: Benchmark): BenchmarkRow {
  if (row.question.trim() === "") throw new RowProblem("the question is empty");
  const letters = row.options.map((_, index) => String.fromCharCode(65 + index));
  for (const [index, option] of row.options.entries()) {
    if (option.trim() === "") throw new RowProblem(`option ${letters[index]} is empty`);
  }
  if (!letters.includes(row.answer)) {
    throw new RowProblem(`the answer is ${describe(row.answer)}; expected one of ${letters.join(", ")}`);
  }
  return { benchmark, ...row };
}

/** The list of texts under `key`, of a length from `least` to `most`. */
export function textsField(value: Record<string, unknown>, key: string, least: number, most: number): string[] {
  const field = Object.hasOwn(value, key) ? value[key] : undefined;
  if (!Array.isArray(field) || field.some((item) => typeof item !== "string")) {
    throw new RowProblem(`"${key}" is ${describe(field)}; expected a list of texts`);
  }
  if (field.length < least || field.length > most) {
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    throw new RowProblem(`"${key}" has ${field.length} entries; expected ${expected}`);
  }
  return field as string[];
}

/** The whole number under `key`, which parquet's 64-bit columns give as BigInt. */
export function integerField(value: Record<string, unknown>, key: string): number {
  const field = Object.hasOwn(value, key) ? value[key] : undefined;
  const number = typeof field === "bigint" ? Number(field) : field;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) {
    throw new RowProblem(
      `"${key}" is ${typeof field === "bigint" ? `${field}` : describe(field)}; expected a whole number`,
    );
  }
  return number;
}
