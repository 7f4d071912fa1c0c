// Questions that an evaluation set also has: the same question and answer, or a run of words that both share.
import type { BenchmarkRow } from "../data/benchmark-row.ts";
import type { Question } from "../data/question.ts";
import type { Candidate } from "./evidence.ts";
import type { Overlap } from "./strategies.ts";

/** The words of a text: lower case, compatibility forms unified, everything but letters and digits left out. */
export function words(text: string): string[] {
  // A Chinese character is a word of its own.
  return (
    text
      .normalize("NFKC")
      .toLowerCase()
      .match(/\p{Script=Han}|(?:(?!\p{Script=Han})[\p{L}\p{N}])+/gu) ?? []
  );
}

interface Reference {
  readonly id: string;
  readonly words: readonly string[];
  readonly exact: string;
}

export interface NgramRule {
  /** How many words in a row count as a run. */
  readonly ngram: number;
  /**
   * From which share of a candidate's runs in one row on it counts as that row. Clinical vignettes are full of phrases of
   * 13 words ("which of the following is the most likely cause of this patient's", vital signs): a quarter of MedQA's
   * training questions share one with some test question, a question that was reworked shares half of its runs.
   */
  readonly ngramShare: number;
}

/** The test rows of the evaluation sets, ready to be looked through. */
export class EvaluationSet {
  readonly #rows: readonly Reference[];
  readonly #rule: NgramRule;

  constructor(rows: readonly BenchmarkRow[], rule: NgramRule) {
    this.#rule = rule;
    this.#rows = rows.map(({ id, question, options, answer }) => {
      const asked = words(question);
      return { id, words: asked, exact: exactKey(asked, options[answer.charCodeAt(0) - 65] ?? answer) };
    });
  }

  get size(): number {
    return this.#rows.length;
  }

  /**
   * What each candidate has in common with the row that is nearest to it: question and answer ("exact"), or runs of words
   * of the question, by their share an "ngram" or a "phrase". Nothing for most. The index is over the candidates, which
   * are few: one pass over the rows needs no memory for theirs.
   */
  overlaps(candidates: readonly Candidate[]): Overlap[] {
    const { ngram, ngramShare } = this.#rule;
    const byExact = new Map<string, string[]>();
    const byRun = new Map<string, string[]>();
    const runCounts = new Map<string, number>();
    for (const { question } of candidates) {
      const asked = words(question.question);
      add(byExact, exactKey(asked, question.answerText), question.id);
      const own = new Set(runs(asked, ngram));
      runCounts.set(question.id, own.size);
      for (const run of own) add(byRun, run, question.id);
    }
    const nearest = new Map<string, Overlap>();
    const note = (overlap: Overlap) => {
      const known = nearest.get(overlap.question_id);
      const isNearer = known === undefined || (known.kind !== "exact" && overlap.share > known.share);
      if (isNearer || overlap.kind === "exact") nearest.set(overlap.question_id, overlap);
    };
    for (const { id: row, words: asked, exact } of this.#rows) {
      for (const question_id of byExact.get(exact) ?? []) {
        if (nearest.get(question_id)?.kind === "exact") continue;
        note({ question_id, kind: "exact", row, words: asked.slice(0, ngram).join(" "), share: 1 });
      }
      for (const [question_id, shared] of sharedRuns(asked, ngram, byRun)) {
        const share = shared.size / (runCounts.get(question_id) ?? 1);
        const [words = ""] = shared;
        note({ question_id, kind: share >= ngramShare ? "ngram" : "phrase", row, words, share });
      }
    }
    return candidates.flatMap(({ id }) => nearest.get(id) ?? []);
  }
}

/** The runs of a row that candidates have, by candidate. */
function sharedRuns(asked: readonly string[], ngram: number, byRun: ReadonlyMap<string, string[]>) {
  const shared = new Map<string, Set<string>>();
  if (byRun.size === 0) return shared;
  for (const run of runs(asked, ngram)) {
    for (const id of byRun.get(run) ?? []) shared.set(id, (shared.get(id) ?? new Set()).add(run));
  }
  return shared;
}

/** The first of each set of candidates that ask the same and have the same answer, and the ids of the others. */
export function withoutDuplicates(questions: readonly Question[]): { questions: Question[]; duplicates: string[] } {
  const seen = new Set<string>();
  const kept: Question[] = [];
  const duplicates: string[] = [];
  for (const question of questions) {
    const key = exactKey(words(question.question), question.answerText);
    if (seen.has(key)) duplicates.push(question.id);
    else kept.push(question);
    seen.add(key);
  }
  return { questions: kept, duplicates };
}

function exactKey(asked: readonly string[], answer: string): string {
  return `${asked.join(" ")}\n${words(answer).join(" ")}`;
}

/** Every run of `length` words. */
function runs(all: readonly string[], length: number): string[] {
  return Array.from({ length: Math.max(0, all.length - length + 1) }, (_, start) =>
    all.slice(start, start + length).join(" "),
  );
}

function add(map: Map<string, string[]>, key: string, id: string): void {
  const ids = map.get(key);
  if (ids === undefined) map.set(key, [id]);
  else if (ids.at(-1) !== id) ids.push(id);
}
