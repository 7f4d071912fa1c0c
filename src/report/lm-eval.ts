// An evaluation in the shape of lm-eval's results, for tools that read those.
import type { Benchmark } from "../data/benchmark-row.ts";
import type { EvaluationManifest } from "../statistics/answer-record.ts";
import { sampleStandardError } from "../statistics/proportion.ts";
import type { BenchmarkScores, Score, SubjectScore } from "../statistics/scores.ts";
import { subjectName } from "./evaluation-tables.ts";

/** lm-eval's names: the task of a benchmark, and the metric with its filter. Those without subjects are one task. */
const tasks: Readonly<Record<Benchmark, { readonly task: string; readonly metric: string }>> = {
  mmlu: { task: "mmlu", metric: "acc,none" },
  cmmlu: { task: "cmmlu", metric: "acc,none" },
  "mmlu-pro": { task: "mmlu_pro", metric: "exact_match,custom-extract" },
  gsm8k: { task: "gsm8k", metric: "exact_match,flexible-extract" },
  medqa: { task: "medqa_4options", metric: "acc,none" },
};

/** `results["mmlu_anatomy"]["acc,none"]` and so on, as JSON. Keys beginning with rlvr_ are this package's own. */
export function lmEvalJson(manifest: EvaluationManifest, benchmarks: readonly BenchmarkScores[]): string {
  const results: Record<string, Record<string, unknown>> = {};
  const groups: Record<string, Record<string, unknown>> = {};
  const members: Record<string, string[]> = {};
  const samples: Record<string, { original: number; effective: number }> = {};
  for (const { benchmark, total, categories, subjects } of benchmarks) {
    const { task } = tasks[benchmark];
    if (subjects.length === 1 && subjects[0]?.subject === benchmark) {
      results[task] = entry(benchmark, task, total, sampleStandardError(total.accuracy, total.questions));
      samples[task] = { original: total.questions, effective: total.questions };
      continue;
    }
    const nameOf = (subject: string) => `${task}_${subject.replaceAll(" ", "_")}`;
    for (const one of subjects) {
      const name = nameOf(one.subject);
      const alias = ` - ${subjectName(one.subject)}`;
      results[name] = entry(benchmark, alias, one, sampleStandardError(one.accuracy, one.questions));
      samples[name] = { original: one.questions, effective: one.questions };
    }
    const addGroup = (name: string, score: Score, names: readonly string[]) => {
      const parts = subjects.filter(({ subject }) => names.includes(subject));
      groups[name] = entry(benchmark, name, score, pooledError(parts));
      results[name] = groups[name];
      members[name] = parts.map(({ subject }) => nameOf(subject));
    };
    if (categories.length < subjects.length) {
      for (const one of categories) addGroup(`${task}_${groupName(one.category)}`, one, one.subjects);
    }
    addGroup(
      task,
      total,
      subjects.map(({ subject }) => subject),
    );
  }
  const value = {
    results,
    groups,
    group_subtasks: members,
    "n-samples": samples,
    config: {
      model: manifest.model,
      model_args: { adapter: manifest.adapter },
      limit: manifest.limit,
      random_seed: manifest.seed,
    },
    model_name: manifest.name,
    rlvr_version: manifest.version,
    rlvr_protocol: manifest.protocol,
    rlvr_protocol_hash: manifest.protocol_hash,
  };
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** "social_sciences" as lm-eval calls that group, else the category in small letters. */
function groupName(category: string): string {
  return category === "Social Science" ? "social_sciences" : category.toLowerCase().replace(/\W+/g, "_");
}

function entry(benchmark: Benchmark, alias: string, score: Score, error: number | undefined): Record<string, unknown> {
  const { metric } = tasks[benchmark];
  const [name, filter] = metric.split(",");
  return {
    alias,
    [metric]: score.accuracy,
    [`${name}_stderr,${filter}`]: error ?? "N/A",
    rlvr_unparsed: score.unparsed,
    rlvr_truncated: score.truncated,
  };
}

/** lm-eval's standard error of a group weighted by size: the pooled sample variance over all questions. */
export function pooledError(subjects: readonly Pick<SubjectScore, "accuracy" | "questions">[]): number | undefined {
  const questions = subjects.reduce((sum, one) => sum + one.questions, 0);
  if (questions <= subjects.length) return undefined;
  // (n - 1) n se² is n p (1 - p), which also stands for a subject of one question.
  const squares = subjects.reduce((sum, one) => sum + one.questions * one.accuracy * (1 - one.accuracy), 0);
  return Math.sqrt(squares / (questions - subjects.length) / questions);
}
