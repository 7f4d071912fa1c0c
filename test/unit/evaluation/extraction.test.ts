import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { comparisons, type ExtractorName, extractAnswer, extractors } from "../../../src/evaluation/extraction.ts";
import { boxes } from "../../../src/rewards/boxed.ts";
import { sharedData, skipsSharedData } from "../shared-data.ts";

const options = ["iron", "folate", "vitamin C", "vitamin D"];
const read = (name: ExtractorName, text: string) => extractors[name](text, { options });

const tables: Partial<Record<ExtractorName, [text: string, expected: string | null][]>> = {
  "answer-is": [
    ["so the answer is (C).", "C"],
    ["the answer is C", "C"],
    ["the answer is (A) or the answer is (B)", "A"],
    ["answer is K, I mean answer is (J)", "J"],
    ["the answer is  C", null],
    ["The Answer Is C", null],
    ["the answer is c", null],
    ["", null],
  ],
  "answer-colon": [
    ["Answer: B", "B"],
    ["answer:\n\n  D", "D"],
    ["Answer: A then Answer: B", "B"],
    ["Answer: A\nAnswer: B", "A"],
    ["Answer: none\nanswer:\tC", "C"],
    ["ANSWER: B", null],
  ],
  "last-lone-letter": [
    ["A or B", "B"],
    ["A1 _B C_", null],
    ["(D).", "D"],
    ["选择 C 中", "C"],
    ["选C", null], // both are word characters, so no boundary stands between them
    ["𝐀B", null],
    ["I", "I"],
  ],
  "first-option": [
    ["Answer: D", "D"],
    ["ANSWER: C", "C"],
    ["answer is (B", "B"],
    ["The answer is   E", "E"],
    ["The correct answer is:\n\n- F", "F"],
    ["answer is (B). Answer: A", "A"],
    ["it is Beta", "B"],
    ["nothing", null],
  ],
  "boxed-option": [
    ["\\boxed{C}", "C"],
    ["\\boxed{A} no, \\boxed{\\text{(D)}}", "D"],
    ["$\\boxed{\\textbf{C. vitamin C}}$", "C"],
    ["\\boxed{Folate}", "B"],
    ["\\boxed{C or B}", null],
    ["\\boxed{A or B}", null],
    ["\\boxed{E}", null],
    ["\\boxed{C", null],
    ["C", null],
  ],
  "answer-tag-option": [
    ["<think>A</think><answer>C</answer>", "C"],
    ["<answer>A</answer><answer>vitamin D</answer>", "D"],
    ["<answer></answer>", null],
    ["A", null],
  ],
  "hash-number": [
    ["2 + 2\n#### 4", "4"],
    ["#### x #### -1,234.5 #### 7", "-1,234.5"],
    ["####4", null],
    ["#### -", null],
  ],
  "flexible-number": [
    ["it is 12 or $1,234.", "$1,234."],
    ["5 apples, then -7", "-7"],
    ["ten . and 5 of them .", "5"],
    ["...", "..."],
    ["none", null],
  ],
  "last-number": [
    ["so 1,234.50.", "1234.50"],
    ["3-5", "-5"],
    ["+7", "7"],
    ["v1.2.3", "3"],
    ["12,34", "34"],
    ["007", "007"],
    ["none", null],
  ],
  "boxed-number": [
    ["\\boxed{\\$1,200}", "1200"],
    ["5 \\boxed{x}", null],
  ],
  "answer-tag-number": [["<answer>42 apples</answer>", "42"]],
};

test.each(Object.entries(tables))("%s", (name, cases) => {
  for (const [text, expected] of cases) expect(read(name as ExtractorName, text), text).toBe(expected);
});

test("every reader has a table", () => {
  expect(Object.keys(tables).sort()).toEqual(Object.keys(extractors).sort());
});

test("a box that is never closed hides neither an earlier nor a later one", () => {
  expect(boxes("\\boxed{1} \\boxed{ {").at(-1)).toBe("1");
  expect(boxes("\\boxed{ \\boxed{2}").at(-1)).toBe("2");
  expect(boxes("\\boxed{a{b}c}").at(-1)).toBe("a{b}c");
  expect(boxes("} \\boxed{3}").at(-1)).toBe("3");
});

test("readers are tried in turn", () => {
  const names = ["answer-is", "answer-colon", "last-lone-letter"] as const;
  expect(extractAnswer(names, "Answer: B. The answer is (C)", { options })).toBe("C");
  expect(extractAnswer(names, "Answer: B", { options })).toBe("B");
  expect(extractAnswer(names, "D", { options })).toBe("D");
  expect(extractAnswer(names, "no", { options })).toBeNull();
});

test("answers are compared as the protocol says", () => {
  expect(comparisons.letter("A", "A")).toBe(true);
  expect(comparisons.letter("a", "A")).toBe(false);
  expect(comparisons.digits("1,000", "1000")).toBe(true);
  expect(comparisons.digits("1000.0", "1000")).toBe(false);
  expect(comparisons["lm-eval-number"]("$1,000.", "1000")).toBe(true);
  expect(comparisons.number("18.00005", "18")).toBe(true);
  expect(comparisons.number("18.1", "18")).toBe(false);
  expect(comparisons.number("", "0")).toBe(false);
});

// 10 MB that make a pattern backtrack or a scan start over.
const megabytes = 10 << 20;
const hostile = (part: string) => part.repeat(Math.ceil(megabytes / part.length));
const hostileTexts: Record<string, string> = {
  "spaces after a lead-in": `answer:${hostile(" ")}`,
  "lead-ins": hostile("answer is "),
  "answer colons": hostile("Answer: "),
  "open boxes": hostile("\\boxed{"),
  "nested boxes": "\\boxed{".repeat(megabytes / 16) + "}".repeat(megabytes / 16),
  "open tags": hostile("<answer>"),
  "a long tag": `<answer>${hostile("A ")}`,
  hashes: hostile("#### "),
  digits: hostile("1"),
  "numbers with commas": hostile("1,"),
  "numbers with signs": hostile("1+"),
  "lone points": hostile(". "),
  "a line of letters": hostile("A"),
  "letters between Chinese ones": hostile("中A"),
};

describe("10 MB of hostile text are read within 100 ms by each reader", () => {
  test.each(Object.keys(hostileTexts))("%s", (name) => {
    const text = hostileTexts[name] as string;
    text.charCodeAt(text.length - 1); // joins the pieces that repeat() left
    for (const reader of Object.keys(extractors) as ExtractorName[]) {
      // The least of a few runs: other programs take time too.
      let best = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 5 && best >= 100; run += 1) {
        const start = performance.now();
        extractAnswer([reader], text, { options });
        best = Math.min(best, performance.now() - start);
      }
      expect(best, reader).toBeLessThan(100);
    }
  });

  test("a megabyte, which is all that is read, takes each reader time in proportion to it", () => {
    for (const text of Object.values(hostileTexts)) {
      for (const reader of Object.keys(extractors) as ExtractorName[]) {
        const start = performance.now();
        read(reader, text.slice(0, 1 << 20));
        // A reader that went back over the text once a character would need hours.
        expect(performance.now() - start, reader).toBeLessThan(2000);
      }
    }
  }, 60_000);

  test("the answer at the end of a long text is read", () => {
    expect(extractAnswer(["answer-is"], `${hostile("x")} the answer is (B)`, { options })).toBe("B");
  });
});

const jsonLines = <T>(file: string): T[] =>
  readFileSync(join(sharedData, "fixtures", file), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

/** By published file: what lm_eval's filters read, and whether it counts as right. */
const readings = (
  JSON.parse(readFileSync(new URL("../../golden/data/lm-eval.json", import.meta.url), "utf8")) as {
    readings: Record<string, Record<string, { read: (string | null)[]; exact_match: number[] }>>;
  }
).readings;

const models = ["gemma-7b", "Phi-3-mini-4k-instruct", "Meta-Llama-3_1-8B-Instruct", "gemini-1.5-flash-002"];

describe.skipIf(skipsSharedData)("published outputs", () => {
  test.each(["gemma-7b", "Phi-3-mini-4k-instruct"])("MMLU-Pro, %s: what the authors' file holds", (model) => {
    const rows = jsonLines<{ pred: string | null; model_output: string }>(`mmlu_pro_outputs_${model}.jsonl`);
    expect(rows.length).toBeGreaterThan(600);
    expect(rows.map((row) => read("answer-is", row.model_output))).toEqual(rows.map((row) => row.pred || null));
    const others = rows.map((row) => read("last-lone-letter", row.model_output));
    expect(others).not.toEqual(rows.map((row) => row.pred || null));
  });

  test.each(models)("MMLU-Pro, %s: what lm_eval reads and counts", (model) => {
    const rows = jsonLines<{ answer: string; model_output: string }>(`mmlu_pro_outputs_${model}.jsonl`);
    const golden = readings[`mmlu_pro_outputs_${model}`]?.["custom-extract"];
    const found = rows.map((row) => read("answer-is", row.model_output));
    expect(found).toEqual(golden?.read);
    expect(found.map((letter, index) => Number(letter === rows[index]?.answer))).toEqual(golden?.exact_match);
  });

  const columns = ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"] as const;
  interface Solutions extends Record<(typeof columns)[number], { solution: string; is_correct: boolean }> {
    ground_truth: string;
  }
  // The published file writes "A: 18" where the data set and its evaluation have "#### 18".
  const marked = (text: string) => text.replaceAll("\nA: ", "\n#### ");

  test.each(columns)("GSM8K, %s: right where the authors' file says so, and read as lm_eval reads it", (column) => {
    const rows = jsonLines<Solutions>("gsm8k_example_model_solutions.jsonl");
    expect(rows).toHaveLength(1131);
    const gold = rows.map((row) => read("hash-number", marked(row.ground_truth)) ?? "");
    const strict = rows.map((row) => read("hash-number", marked(row[column].solution)));
    const isRight = strict.map((number, index) => number !== null && comparisons.digits(number, gold[index] ?? ""));
    expect(isRight).toEqual(rows.map((row) => row[column].is_correct));
    expect(new Set(isRight).size).toBe(2);

    const golden = readings[`gsm8k_${column}`];
    expect(strict).toEqual(golden?.["strict-match"]?.read);
    const flexible = rows.map((row) => read("flexible-number", marked(row[column].solution)));
    expect(flexible).toEqual(golden?.["flexible-extract"]?.read);
    const counts = (found: (string | null)[]) =>
      found.map((number, index) => Number(number !== null && comparisons["lm-eval-number"](number, gold[index] ?? "")));
    expect(counts(strict)).toEqual(golden?.["strict-match"]?.exact_match);
    expect(counts(flexible)).toEqual(golden?.["flexible-extract"]?.exact_match);
  });
});
