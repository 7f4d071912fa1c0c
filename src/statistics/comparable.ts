// Whether two evaluations may be compared question by question, and if not, what differs.
import { RlvrError } from "../errors.ts";
import type { AnswerRecord } from "./answer-record.ts";
import type { EvaluationRun } from "./compare.ts";

/**
 * Refuses two evaluations that did not ask the same questions in the same way.
 *
 * @throws RlvrError RLVR_BAD_DATA with every difference.
 */
export function checkComparable(first: EvaluationRun, second: EvaluationRun): void {
  const problems = [...protocolProblems(first, second), ...sampleProblems(first, second)];
  if (problems.length === 0) return;
  const [a, b] = [first.manifest.name, second.manifest.name];
  throw new RlvrError(
    "RLVR_BAD_DATA",
    `[compare] "${a}" and "${b}" cannot be compared question by question:` +
      problems.map((problem) => `\n  ${problem}`).join("") +
      "\n  Evaluate both with the same protocol, benchmarks, limit and subjects.",
  );
}

function protocolProblems({ manifest: a }: EvaluationRun, { manifest: b }: EvaluationRun): string[] {
  if (a.protocol_hash === b.protocol_hash) return [];
  return [
    a.protocol === b.protocol
      ? `the protocol "${a.protocol}" is not the same file: hashes ${shortHash(a.protocol_hash)} and ${shortHash(b.protocol_hash)}`
      : `the protocols differ: "${a.protocol}" and "${b.protocol}"`,
  ];
}

function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

function sampleProblems(first: EvaluationRun, second: EvaluationRun): string[] {
  const [a, b] = [first, second].map((run) => byBenchmark(run.answers)) as [ById, ById];
  const all = [...new Set([...a.keys(), ...b.keys()])].sort();
  const onlyOne = all.filter((benchmark) => !a.has(benchmark) || !b.has(benchmark));
  const problems = onlyOne.map((benchmark) => {
    const [has, lacks] = a.has(benchmark) ? [first, second] : [second, first];
    return `${benchmark} was answered by "${has.manifest.name}" only, not by "${lacks.manifest.name}"; --benchmarks names those to compare`;
  });
  const isSameModel = first.manifest.model_hash === second.manifest.model_hash;
  for (const benchmark of all.filter((name) => !onlyOne.includes(name))) {
    const [left, right] = [a.get(benchmark), b.get(benchmark)] as [
      Map<string, AnswerRecord>,
      Map<string, AnswerRecord>,
    ];
    problems.push(...missing(benchmark, left, right, second.manifest.name));
    problems.push(...missing(benchmark, right, left, first.manifest.name));
    problems.push(...different(benchmark, left, right, isSameModel));
  }
  return problems;
}

type ById = Map<string, Map<string, AnswerRecord>>;

function byBenchmark(answers: readonly AnswerRecord[]): ById {
  const result: ById = new Map();
  for (const answer of answers) {
    const rows = result.get(answer.benchmark) ?? new Map<string, AnswerRecord>();
    rows.set(answer.id, answer);
    result.set(answer.benchmark, rows);
  }
  return result;
}

function missing(
  benchmark: string,
  left: ReadonlyMap<string, AnswerRecord>,
  right: ReadonlyMap<string, AnswerRecord>,
  name: string,
): string[] {
  const ids = [...left.keys()].filter((id) => !right.has(id));
  if (ids.length === 0) return [];
  return [`${benchmark}: ${ids.length} of ${left.size} questions are not among those of "${name}", such as ${ids[0]}`];
}

/** Questions that share an id but not their content. The prompt may differ between models, whose chat templates differ. */
function different(
  benchmark: string,
  left: ReadonlyMap<string, AnswerRecord>,
  right: ReadonlyMap<string, AnswerRecord>,
  isSameModel: boolean,
): string[] {
  const pairs = [...left.values()].flatMap((answer): [AnswerRecord, AnswerRecord][] => {
    const other = right.get(answer.id);
    return other === undefined ? [] : [[answer, other]];
  });
  const kinds: [string, (a: AnswerRecord, b: AnswerRecord) => boolean][] = [
    ["right answer", (a, b) => a.gold !== b.gold],
    ["subject", (a, b) => a.subject !== b.subject],
    ["text", (a, b) => a.question !== b.question || a.options.join("\n") !== b.options.join("\n")],
  ];
  if (isSameModel) kinds.push(["prompt, for the same model", (a, b) => a.prompt_hash !== b.prompt_hash]);
  return kinds.flatMap(([what, differs]) => {
    const found = pairs.filter(([a, b]) => differs(a, b));
    if (found.length === 0) return [];
    return [`${benchmark}: ${found.length} questions have another ${what}, such as ${found[0]?.[0].id}`];
  });
}
