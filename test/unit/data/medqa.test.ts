import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readMedqa } from "../../../src/data/medqa.ts";
import { questionText } from "../../../src/data/question.ts";
import { readQuestionFile } from "../../../src/data/questions.ts";
import { RlvrError } from "../../../src/errors.ts";
import { sharedData, skipsSharedData } from "../shared-data.ts";

const row = {
  question: "Which drug?",
  answer: "Aspirin",
  options: { A: "Ampicillin", B: "Aspirin" },
  answer_idx: "B",
};
const line = (changes: Record<string, unknown> = {}) => JSON.stringify({ ...row, ...changes });

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(RlvrError);
    expect((error as RlvrError).code).toBe("RLVR_BAD_DATA");
    return (error as RlvrError).message;
  }
  throw new Error("nothing was thrown");
}

test("a row becomes a question", () => {
  const { rows, skipped } = readMedqa(line({ meta_info: "step1", metamap_phrases: ["x"] }), "train.jsonl");
  expect(skipped).toEqual([]);
  expect(rows).toEqual([
    {
      id: "medqa-1",
      question: "Which drug?",
      options: { A: "Ampicillin", B: "Aspirin" },
      answer: "B",
      answerText: "Aspirin",
      subject: "step1",
      source: "train.jsonl",
    },
  ]);
});

test("the question's text is that of data_prepare: one space after each choice, the last one too", () => {
  const question = readMedqa(line(), "f").rows[0];
  expect(question && questionText(question)).toBe("Which drug?\nAnswer Choices: (A) Ampicillin (B) Aspirin ");
});

test("a byte order mark, CRLF, blank lines and a missing last line end are read", () => {
  const { rows } = readMedqa(`\ufeff${line()}\r\n\r\n\n${line()}`, "f");
  expect(rows.map((question) => question.id)).toEqual(["medqa-1", "medqa-4"]);
});

test("every bad row is reported with its number and reason", () => {
  const text = [
    line(),
    "{not json",
    line({ answer_idx: "E" }),
    line({ question: undefined }),
    line({ options: { A: "x" } }),
    line({ answer: "Ampicillin" }),
    line({ options: { A: "Aspirin", B: "Aspirin" } }),
    line({ options: { A: "x", b: "Aspirin" } }),
    line({ options: { A: Number.NaN, B: "Aspirin" } }),
    "[1]",
    line({ question: "caf\ufffd" }),
  ].join("\n");
  const message = messageOf(() => readMedqa(text, "train.jsonl"));
  expect(message.split("\n")).toEqual([
    "[data] train.jsonl: 10 bad rows",
    expect.stringMatching(/^ {2}row 2: is not JSON/),
    '  row 3: "answer_idx" is "E"; expected one of A, B',
    '  row 4: "question" is missing; expected text',
    '  row 5: "options" has 1 entries; expected 2 to 26',
    '  row 6: "answer" is "Ampicillin", but option B is "Aspirin"',
    "  row 7: options B and A both have the text of the answer",
    '  row 8: "options" has the key "b"; expected one of A to Z',
    "  row 9: option A is null; expected text",
    "  row 10: is an array of 1; expected a JSON object",
    expect.stringMatching(/^ {2}row 11: holds U\+FFFD/),
    "  Correct them, or set data.on_bad_row to skip to leave them out.",
  ]);
});

test("more bad rows than the limit are counted", () => {
  const message = messageOf(() => readMedqa("{}\n".repeat(30), "f", { maxReported: 3 }));
  expect(message).toContain("30 bad rows");
  expect(message).toContain("… and 27 more");
  expect(message.match(/row \d+:/g)).toHaveLength(3);
});

test("with skip, bad rows are left out and listed", () => {
  const { rows, skipped } = readMedqa(`${line()}\n{}\n${line()}`, "f", { onBadRow: "skip" });
  expect(rows).toHaveLength(2);
  expect(skipped).toEqual([{ row: 2, reason: '"question" is missing; expected text' }]);
});

test("a file without a usable row is an error even with skip", () => {
  expect(messageOf(() => readMedqa("", "f"))).toContain("no usable row");
  expect(messageOf(() => readMedqa("{}", "f", { onBadRow: "skip" }))).toContain("1 rows were skipped");
});

test("a line of a megabyte and more is refused, not parsed", () => {
  expect(messageOf(() => readMedqa(`"${"x".repeat(1_100_000)}"`, "f"))).toContain("has 1100002 characters");
});

test("keys that JavaScript treats specially are ordinary bad rows", () => {
  const text = '{"question":"q","answer":"x","answer_idx":"__proto__","options":{"__proto__":"x","constructor":"y"}}';
  expect(messageOf(() => readMedqa(text, "f"))).toContain('has the key "__proto__"');
});

describe.skipIf(skipsSharedData)("the upstream files as they are", () => {
  const folder = join(sharedData, "medqa/data_clean/questions/US");
  const read = (path: string) => readQuestionFile(readFileSync(join(folder, path), "utf8"), path, "auto");

  test.each([
    ["4_options/phrases_no_exclude_train.jsonl", 756, "A,B,C,D"],
    ["4_options/phrases_no_exclude_dev.jsonl", 1060, "A,B,C,D"],
    ["4_options/phrases_no_exclude_test.jsonl", 1018, "A,B,C,D"],
    ["train.jsonl", 948, "A,B,C,D,E"],
  ])("%s has %i rows, all good", (path, count, letters) => {
    const { rows, skipped } = read(path);
    expect([rows.length, skipped.length]).toEqual([count, 0]);
    expect(new Set(rows.map((question) => Object.keys(question.options).join()))).toEqual(new Set([letters]));
    expect(rows.every((question) => question.options[question.answer] === question.answerText)).toBe(true);
  });

  test("the test file tells the examination step, the rebuilt files do not", () => {
    const subjects = new Set(read("4_options/phrases_no_exclude_test.jsonl").rows.map((question) => question.subject));
    expect([...subjects].sort()).toEqual(["step1", "step2&3"]);
    expect(read("train.jsonl").rows[0]?.subject).toBe("medqa");
  });
});
