// Rows to prompts' texts, as a protocol says: header, examples, question. Text in, text out.
import type { BenchmarkRow } from "../data/benchmark-row.ts";
import { cmmluSubjectNames } from "../data/categories.ts";
import { pythonStrip } from "../rewards/python-text.ts";
import type { BenchmarkProtocol } from "./protocol.ts";
import { PythonRandom } from "./python-random.ts";
import { fill } from "./template.ts";

/** A row that is asked, with the rows that are its examples. */
export interface AskedRow {
  readonly row: BenchmarkRow;
  readonly shots: readonly BenchmarkRow[];
}

/** The letter of the option at `index`, from 0. */
export function letterOf(index: number): string {
  return String.fromCharCode(65 + index);
}

/** The letters of a row's options under a protocol. */
export function lettersOf(row: BenchmarkRow, part: BenchmarkProtocol): string[] {
  return shownOptions(row, part).map((_, index) => letterOf(index));
}

/**
 * The examples of each row. Drawn ones depend on the row's place in `rows`, so these must be all rows of the benchmark,
 * in the order of its files; what is asked of them is chosen afterwards.
 *
 * @throws RangeError when there are fewer examples than the protocol shows.
 */
export function askedRows(
  rows: readonly BenchmarkRow[],
  examples: readonly BenchmarkRow[],
  { shots: { count, order, seed } }: BenchmarkProtocol,
): AskedRow[] {
  if (count === 0) return rows.map((row) => ({ row, shots: [] }));
  if (order === "python-random") {
    const random = new PythonRandom(seed);
    return rows.map((row) => ({
      row,
      shots: random.sample(examples.length, count).map((index) => examples[index] as BenchmarkRow),
    }));
  }
  const bySubject = new Map<string, BenchmarkRow[]>();
  for (const row of examples) bySubject.set(row.subject, [...(bySubject.get(row.subject) ?? []), row]);
  return rows.map((row) => {
    const shots = bySubject.get(row.subject)?.slice(0, count) ?? [];
    if (shots.length < count)
      throw new RangeError(`[shots] ${row.subject} has ${shots.length} examples; the protocol shows ${count}`);
    return { row, shots };
  });
}

/** The text of a prompt, before any chat template. */
export function promptText({ row, shots }: AskedRow, part: BenchmarkProtocol): string {
  const header = fill(part.header, subjectValues(row.subject));
  const examples = shots.map((shot) => shotText(shot, part));
  const body = examples.join("") + fill(part.query, questionValues(row, part));
  return header + (part.trim ? pythonStrip(body) : body);
}

/** The text of one example. */
export function shotText(row: BenchmarkRow, part: BenchmarkProtocol): string {
  const { solution: edit } = part;
  const solution = row.solution ?? "";
  return fill(part.shot, {
    ...questionValues(row, part),
    answer: row.answer,
    solution: edit === null ? solution : solution.replaceAll(edit.replace, () => edit.with),
  });
}

/** What is scored for each option. */
export function choiceTexts(row: BenchmarkRow, part: BenchmarkProtocol): string[] {
  return lettersOf(row, part).map((letter) => fill(part.choice, { letter }));
}

function subjectValues(subject: string): Record<string, string> {
  return { subject: subject.replaceAll("_", " "), subject_zh: cmmluSubjectNames[subject] ?? subject };
}

function questionValues(row: BenchmarkRow, part: BenchmarkProtocol): Record<string, string> {
  const options = shownOptions(row, part).map((option, index) =>
    fill(part.option, {
      letter: letterOf(index),
      option: part.strip.includes("options") ? pythonStrip(option) : option,
    }),
  );
  return {
    ...subjectValues(row.subject),
    question: part.strip.includes("question") ? pythonStrip(row.question) : row.question,
    options: options.join(part.option_join),
  };
}

function shownOptions({ options }: BenchmarkRow, { drop_padding }: BenchmarkProtocol): readonly string[] {
  return drop_padding ? options.filter((option) => option !== "N/A") : options;
}
