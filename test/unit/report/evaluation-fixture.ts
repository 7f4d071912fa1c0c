// Evaluation folders of realistic size, written from a seed: no model, but answers that look like one's.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Benchmark } from "../../../src/data/benchmark-row.ts";
import { categoriesOf } from "../../../src/data/categories.ts";
import type { AnswerRecord, EvaluationManifest } from "../../../src/statistics/answer-record.ts";
import { counterUniform } from "../../../src/statistics/counter-random.ts";
import { answer, manifest } from "../statistics/answers.ts";

export interface FixtureEvaluation {
  readonly name: string;
  /** Added to the accuracy of every subject. */
  readonly gain?: number;
  /** Share of the answers that a model of another name has otherwise than the first. */
  readonly change?: number;
}

export interface FixtureSize {
  /** Questions of each subject, by benchmark. */
  readonly questions: Partial<Record<Benchmark, number>>;
  /** Words of a completion, for the benchmarks that generate. */
  readonly words?: number;
}

const generates: readonly Benchmark[] = ["mmlu-pro", "gsm8k"];
const vocabulary =
  "the patient presents with fever and a rash so we consider which drug inhibits enzyme step therefore answer dose blood cell renal acute chronic first then because".split(
    " ",
  );

/** Writes one folder a model below `root` and gives the folders. */
export function writeEvaluations(root: string, models: readonly FixtureEvaluation[], size: FixtureSize): string[] {
  return models.map((model, place) => {
    const folder = join(root, `evaluation-${place + 1}`);
    const benchmarks = Object.keys(size.questions) as Benchmark[];
    const answers = benchmarks.flatMap((benchmark) =>
      answersOf(benchmark, size.questions[benchmark] ?? 0, model, size),
    );
    writeEvaluation(folder, { name: model.name, benchmarks, adapter: place === 0 ? null : model.name }, answers);
    return folder;
  });
}

export function writeEvaluation(
  folder: string,
  fields: Partial<EvaluationManifest>,
  answers: readonly AnswerRecord[],
): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "evaluation.json"), JSON.stringify(manifest(fields)));
  writeFileSync(join(folder, "answers.jsonl"), answers.map((one) => `${JSON.stringify(one)}\n`).join(""));
}

function answersOf(
  benchmark: Benchmark,
  count: number,
  { name, gain = 0, change = 0 }: FixtureEvaluation,
  { words = 60 }: FixtureSize,
): AnswerRecord[] {
  const subjects = [...new Set([...categoriesOf(benchmark).values()].flat())];
  const isText = generates.includes(benchmark);
  const letters = benchmark === "mmlu-pro" ? [..."ABCDEFGHIJ"] : [..."ABCD"];
  return subjects.flatMap((subject) =>
    Array.from({ length: count }, (_, index) => {
      const id = `${benchmark}/${subject}/test/${index}`;
      const draw = (what: string, at = index) => counterUniform(11, `${what} ${benchmark} ${subject}`, at);
      const base = draw("is right") < 0.35 + 0.5 * draw("how hard", 0);
      const isChanged = draw(`changed ${name}`) < change;
      const correct = isChanged ? draw(`anew ${name}`) < 0.55 + gain : base;
      const unparsed = !correct && draw(`unparsed ${name}`) < 0.08;
      const truncated = unparsed && isText && draw(`cut ${name}`) < 0.5;
      const gold = benchmark === "gsm8k" ? String(index) : (letters[index % letters.length] as string);
      const wrong = benchmark === "gsm8k" ? String(index + 1) : (letters[(index + 1) % letters.length] as string);
      const extracted = correct ? gold : unparsed ? null : wrong;
      const sentence = (what: string, length: number) =>
        Array.from(
          { length },
          (_, at) => vocabulary[Math.floor(vocabulary.length * draw(what, 1000 * index + at))],
        ).join(" ");
      return answer({
        benchmark,
        subject,
        id,
        question: `${sentence("question", 24)}? (${id})`,
        options: benchmark === "gsm8k" ? [] : letters.map((letter) => `${sentence(`option ${letter}`, 4)}`),
        gold,
        extracted,
        correct,
        ...(isText
          ? {
              text: `${sentence(`text ${name}`, words)}. The answer is (${extracted ?? "…"}).`,
              finish_reason: truncated ? ("length" as const) : ("stop" as const),
              logprobs: null,
              completion_tokens: words,
            }
          : {}),
      });
    }),
  );
}

/** A training run's folder with curves. */
export function writeTraining(folder: string, steps: number): string {
  mkdirSync(folder, { recursive: true });
  const rows = Array.from({ length: steps }, (_, index) => ({
    step: index + 1,
    reward: 2 + Math.sin(index / 5) + index / steps,
    "rewards/accuracy": 1 + index / steps,
    "rewards/format": 1,
    kl: 0.001 * index,
    entropy: 1 - index / (2 * steps),
    completion_length: 100 + (index % 7),
    truncated_ratio: 0.1,
    informative_groups: 0.5,
    loss: 0.01,
    learning_rate: 2e-5 * (1 - index / steps),
    grad_norm: 0.5,
    sampler_gap: 0,
    "time/rollout": 2,
    "time/reference": 0.2,
    "time/train": 1,
  }));
  writeFileSync(join(folder, "metrics.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return folder;
}
