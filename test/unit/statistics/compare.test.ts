import { expect, test } from "vitest";
import { categoriesOf } from "../../../src/data/categories.ts";
import { RlvrError } from "../../../src/errors.ts";
import { compareEvaluations, type EvaluationRun, pairsOf } from "../../../src/statistics/compare.ts";
import { answer, evaluationOf } from "./answers.ts";
import { golden } from "./golden.ts";

const options = { resamples: 20_000, seed: 1 };
const compare = (first: EvaluationRun, second: EvaluationRun, more = {}) =>
  compareEvaluations(first, second, {
    ...options,
    categoriesOf: (benchmark) => categoriesOf(benchmark),
    ...more,
  });

test("tables, tests and intervals are those of scipy, statsmodels and literal resampling", () => {
  const expected = golden.comparison;
  const side = (which: "first" | "second") =>
    evaluationOf(Object.fromEntries(Object.entries(expected.subjects).map(([name, one]) => [name, one[which]])));
  const [found] = compare(side("first"), side("second")).benchmarks;
  expect(found?.subjects).toHaveLength(5);
  for (const subject of found?.subjects ?? []) {
    const one = expected.subjects[subject.subject];
    expect([
      [subject.bothRight, subject.onlyFirst],
      [subject.onlySecond, subject.bothWrong],
    ]).toEqual(one?.table);
    expect(subject.p).toBeCloseTo(one?.p as number, 10);
    expect(subject.adjustedP).toBeCloseTo(one?.holm as number, 10);
    // One question in 100 is 0.01; resampled ends agree to one question.
    expect(Math.abs(subject.difference.low - (one?.interval[0] as number))).toBeLessThan(1.01 / subject.questions);
    expect(Math.abs(subject.difference.high - (one?.interval[1] as number))).toBeLessThan(1.01 / subject.questions);
  }
  expect(found?.total.first).toBeCloseTo(expected.micro[0], 14);
  expect(found?.total.second).toBeCloseTo(expected.micro[1], 14);
  expect(found?.total.macro.first).toBeCloseTo(expected.macro[0], 14);
  expect(found?.total.macro.second).toBeCloseTo(expected.macro[1], 14);
  expect(found?.total.p).toBeCloseTo(expected.p, 10);
  const ends = [found?.total.difference, found?.total.macro.difference].flatMap((one) => [one?.low, one?.high]);
  for (const [index, end] of [...expected.micro_interval, ...expected.macro_interval].entries()) {
    // Both are resampled: their ends have a Monte-Carlo error of about 3e-4.
    expect(Math.abs((ends[index] as number) - end)).toBeLessThan(1.5e-3);
  }
});

test("a difference has the sign of second minus first, and swaps with its models", () => {
  const [a, b] = [evaluationOf({ anatomy: "1000" }), evaluationOf({ anatomy: "1110" }, { name: "tuned" })];
  const [forward] = compare(a, b).benchmarks;
  const [backward] = compare(b, a).benchmarks;
  expect(forward?.total.difference.value).toBe(0.5);
  expect(forward?.total).toMatchObject({ questions: 4, bothRight: 1, onlyFirst: 0, onlySecond: 2, bothWrong: 1 });
  expect(backward?.total.difference.value).toBe(-0.5);
  expect(backward?.total.p).toBe(forward?.total.p);
  expect(compare(a, b)).toMatchObject({ first: "base", second: "tuned" });
});

test("answers are paired by id, whatever their order", () => {
  const a = evaluationOf({ anatomy: "1100" });
  const b = { ...a, answers: a.answers.toReversed() };
  expect(compare(a, b).benchmarks[0]?.total).toMatchObject({ bothRight: 2, onlyFirst: 0, onlySecond: 0, bothWrong: 2 });
});

/** The message of the refusal. */
function refusal(a: EvaluationRun, b: EvaluationRun): string {
  try {
    compare(a, b);
  } catch (error) {
    expect(error).toBeInstanceOf(RlvrError);
    expect((error as RlvrError).code).toBe("RLVR_BAD_DATA");
    return (error as RlvrError).message;
  }
  return "not refused";
}

test("other protocols are refused by name, or by hash when they share one", () => {
  const a = evaluationOf({ anatomy: "10" });
  expect(refusal(a, evaluationOf({ anatomy: "10" }, { protocol: "paper", protocol_hash: "22" }))).toContain(
    'the protocols differ: "lm-eval" and "paper"',
  );
  expect(refusal(a, evaluationOf({ anatomy: "10" }, { protocol_hash: "2222222222222222" }))).toContain(
    "hashes 111111111111 and 222222222222",
  );
  expect(refusal(a, evaluationOf({ anatomy: "01" }, { name: "tuned" }))).toBe("not refused");
});

test("unequal samples are refused with how many and which questions are missing, on either side", () => {
  const [a, b] = [evaluationOf({ anatomy: "101" }), evaluationOf({ anatomy: "10" }, { name: "short" })];
  expect(refusal(a, b)).toContain('mmlu: 1 of 3 questions are not among those of "short", such as mmlu/anatomy/test/2');
  expect(refusal(b, a)).toContain('mmlu: 1 of 3 questions are not among those of "short"');
});

test("a benchmark that only one answered is refused, with the way to leave it out", () => {
  const a = evaluationOf({ anatomy: "10" });
  const more = [...a.answers, answer({ id: "gsm8k/test/0", benchmark: "gsm8k", subject: "gsm8k" })];
  const message = refusal(a, { manifest: { ...a.manifest, name: "more" }, answers: more });
  expect(message).toContain('gsm8k was answered by "more" only, not by "base"; --benchmarks');
});

test("questions that share an id but not their content are refused", () => {
  const a = evaluationOf({ anatomy: "10" });
  const changed = (fields: object, manifestFields = {}) => ({
    manifest: { ...a.manifest, ...manifestFields },
    answers: a.answers.map((one, index) => (index === 1 ? { ...one, ...fields } : one)),
  });
  expect(refusal(a, changed({ gold: "C" }))).toContain(
    "1 questions have another right answer, such as mmlu/anatomy/test/1",
  );
  expect(refusal(a, changed({ question: "?" }))).toContain("another text");
  expect(refusal(a, changed({ options: ["one", "two", "four", "three"] }))).toContain("another text");
  expect(refusal(a, changed({ prompt_hash: "q" }))).toContain("another prompt, for the same model");
  // Another model has another chat template.
  expect(refusal(a, changed({ prompt_hash: "q" }, { model_hash: "bbbb" }))).toBe("not refused");
});

test("every difference is named at once", () => {
  const a = evaluationOf({ anatomy: "101" });
  const message = refusal(a, evaluationOf({ anatomy: "10", virology: "1" }, { name: "b", protocol_hash: "3" }));
  expect(message.match(/\n {2}/g)).toHaveLength(4);
});

test("pairs are each with the first, or each with each", () => {
  expect(pairsOf(["a", "b", "c"], "baseline")).toEqual([
    ["a", "b"],
    ["a", "c"],
  ]);
  expect(pairsOf(["a", "b", "c"], "all")).toEqual([
    ["a", "b"],
    ["a", "c"],
    ["b", "c"],
  ]);
});

test("a benchmark of full size is compared in seconds", () => {
  const digits = (count: number, step: number) =>
    Array.from({ length: count }, (_, i) => ((i * step) % 97 < 60 ? "1" : "0")).join("");
  const subjects = [...categoriesOf("mmlu").values()].flat();
  const of = (step: number) => evaluationOf(Object.fromEntries(subjects.map((name) => [name, digits(246, step)])));
  const [a, b] = [of(3), of(5)];
  const start = performance.now();
  const [found] = compare(a, b, { resamples: 10_000 }).benchmarks;
  expect(found?.total.questions).toBe(14_022);
  expect(performance.now() - start).toBeLessThan(10_000);
});
