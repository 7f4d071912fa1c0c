import { describe, expect, test } from "vitest";
import type { BenchmarkRow } from "../../../src/data/benchmark-row.ts";
import { readBenchmark } from "../../../src/data/read-benchmark.ts";
import { loadQuestions } from "../../../src/recipes/questions.ts";
import { localFolder } from "../../../src/run/local-folder.ts";
import { EvaluationSet, withoutDuplicates, words } from "../../../src/selection/decontaminate.ts";
import { candidateOf } from "../../../src/selection/evidence.ts";
import { sharedData, skipsSharedData } from "../shared-data.ts";
import { ask, known } from "./fixtures.ts";

const row = (id: string, question: string, answer = "one"): BenchmarkRow => ({
  benchmark: "mmlu",
  id,
  subject: "s",
  question,
  options: ["x", answer],
  answer: "B",
});
const vignette = "A 23-year-old woman comes to the physician because of a painful rash on her left arm after gardening";
const overlap = (asked: string, rows: BenchmarkRow[], ngram = 13) =>
  new EvaluationSet(rows, { ngram, ngramShare: 0.2 }).overlaps([known("q", 0, 1, { question: asked })])[0];

test("words are lower case, without punctuation; compatibility forms are one; a Chinese character is a word", () => {
  expect(words("A “23-year-old”,  ﬁne\n(Woman)!")).toEqual(["a", "23", "year", "old", "fine", "woman"]);
  expect(words("患者，male 30岁")).toEqual(["患", "者", "male", "30", "岁"]);
  expect(words("…")).toEqual([]);
});

test("the same question and answer are an exact overlap, however they are spelled", () => {
  expect(overlap("What is IT?", [row("mmlu/1", "what  is it", "One.")])).toEqual({
    question_id: "q",
    kind: "exact",
    row: "mmlu/1",
    words: "what is it",
    share: 1,
  });
  expect(overlap("What is it?", [row("mmlu/1", "What is it?", "two")])).toBeUndefined();
});

test("thirteen words in a row are an overlap, twelve are not", () => {
  const asked = words(vignette);
  const middle = (count: number) => `Before, ${asked.slice(3, 3 + count).join(" ")}; after.`;
  expect(overlap(vignette, [row("mmlu/1", middle(13))])).toMatchObject({
    share: 1 / (asked.length - 12),
    row: "mmlu/1",
    words: asked.slice(3, 16).join(" "),
  });
  expect(overlap(vignette, [row("mmlu/1", middle(12))])).toBeUndefined();
  expect(overlap(vignette, [row("mmlu/1", middle(12))], 12)).toMatchObject({ share: 1 / (asked.length - 11) });
});

test("a phrase that is a small part of the question is told apart from the question itself", () => {
  const long = `${vignette}. ${Array.from({ length: 60 }, (_, index) => `word${index}`).join(" ")}`;
  const phrase = words(vignette).slice(0, 13).join(" ");
  expect(overlap(long, [row("mmlu/1", phrase)])).toMatchObject({
    kind: "phrase",
    share: 1 / (words(long).length - 12),
  });
  const any = new EvaluationSet([row("mmlu/1", phrase)], { ngram: 13, ngramShare: 0 });
  expect(any.overlaps([known("q", 0, 1, { question: long })])).toMatchObject([{ kind: "ngram" }]);
  // Of several rows the nearest is reported.
  const rows = [row("mmlu/1", phrase), row("mmlu/2", `${long} and more`), row("mmlu/3", phrase)];
  expect(overlap(long, rows)).toMatchObject({ kind: "ngram", row: "mmlu/2", share: 1 });
});

test("an exact overlap is reported before a run of words; each candidate once", () => {
  const rows = [row("mmlu/1", `${vignette} yesterday`), row("mmlu/2", vignette), row("mmlu/3", vignette)];
  const found = new EvaluationSet(rows, { ngram: 13, ngramShare: 0.2 }).overlaps([
    known("p", 0, 1, { question: "Something else?" }),
    known("q", 0, 1, { question: vignette }),
  ]);
  expect(found.map(({ question_id, kind, row: where }) => [question_id, kind, where])).toEqual([
    ["q", "exact", "mmlu/2"],
  ]);
});

test("of questions that are asked twice the first stays", () => {
  const twice = [
    ask("a", { question: "Why?" }),
    ask("b", { question: "why" }),
    ask("c", { question: "Why?", answerText: "two" }),
  ];
  const { questions, duplicates } = withoutDuplicates(twice);
  expect([questions.map(({ id }) => id), duplicates]).toEqual([["a", "c"], ["b"]]);
});

describe.skipIf(skipsSharedData)("real questions", () => {
  const file = (name: string) =>
    `${sharedData}/medqa/data_clean/questions/US/4_options/phrases_no_exclude_${name}.jsonl`;
  const load = async (name: string) =>
    (await loadQuestions(file(name), { format: "auto", onBadRow: "fail", limit: null })).questions.map((question) =>
      candidateOf(question, [], "all"),
    );

  test("every test question is found in its own set, exactly; few training questions are, and many share a phrase", async () => {
    const { test: rows } = await readBenchmark("medqa", localFolder(sharedData));
    const set = new EvaluationSet(rows, { ngram: 13, ngramShare: 0.2 });
    const own = set.overlaps(await load("test"));
    expect([own.length, own.every(({ kind }) => kind === "exact")]).toEqual([1018, true]);
    const train = set.overlaps(await load("train"));
    const count = (wanted: string) => train.filter(({ kind }) => kind === wanted).length;
    expect([count("exact"), count("ngram"), count("phrase")]).toEqual([0, 2, 194]);
  });
});
