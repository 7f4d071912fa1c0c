import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Question } from "../../../src/data/question.ts";
import { accuracy, format, xmlcount } from "../../../src/rewards/paper.ts";
import type { RewardContext } from "../../../src/rewards/reward.ts";

const question: Question = {
  id: "q",
  question: "Which of the following is the best treatment?",
  options: { A: "Ampicillin", B: "Ceftriaxone", C: "Ciprofloxacin", D: "Doxycycline", E: "Nitrofurantoin" },
  answer: "E",
  answerText: "Nitrofurantoin",
  subject: "medqa",
  source: "test",
};
const context: RewardContext = { finishReason: "stop", completionLength: 1, rollout: 0 };
const scores = (completion: string) =>
  [accuracy, format, xmlcount].map((reward) => reward(completion, question, context));

// The table of golden vectors: the paper's own functions with reference "E" and option "Nitrofurantoin".
const withAnswer = (answer: string) => `<think>x</think><answer>${answer}</answer>`;
const goldenVectors: [name: string, completion: string, accuracy: number, format: number, xmlcount: number][] = [
  ["the right letter", withAnswer("E"), 2, 2, 1],
  ["one line break between the blocks", "<think>x</think>\n<answer>E</answer>", 2, 2, 1],
  ["two line breaks between the blocks", "<think>x</think>\n\n<answer>E</answer>", 2, 0, 1],
  ["one trailing line break", `${withAnswer("E")}\n`, 2, 2, 1],
  ["two trailing line breaks", `${withAnswer("E")}\n\n`, 2, 1, 1],
  ["trailing text", `${withAnswer("E")} done`, 2, 1, 1],
  ["a leading line break", `\n${withAnswer("E")}`, 2, 0, 1],
  ["leading text", `Well: ${withAnswer("E")}`, 2, 0, 1],
  ["the letter in parentheses", withAnswer("(E)"), 2, 2, 1],
  ["white space around the letter", withAnswer("\n E \n"), 2, 2, 1],
  ["a small letter", withAnswer("e"), 0, 2, 1],
  ["a letter with a full stop", withAnswer("E."), 0, 2, 1],
  ["the letter and the option", withAnswer("(E) Nitrofurantoin"), 0, 2, 1],
  ["a box", withAnswer("\\boxed{E}"), 0, 2, 1],
  ["a sentence", withAnswer("The answer is Nitrofurantoin"), 0, 2, 1],
  ["the option's text", withAnswer("Nitrofurantoin"), 1, 2, 1],
  ["the option's text in small letters and more", withAnswer("nitrofurantoin, because"), 1, 2, 1],
  ["an answer block only", "<answer>E</answer>", 2, 0, 0.5],
  ["an empty thought", "<think></think><answer>E</answer>", 2, 2, 1],
  ["two answer blocks", "<think>x</think><answer>A</answer><answer>E</answer>", 0, 2, 0.5],
  ["two thoughts", "<think>x</think><think>y</think><answer>E</answer>", 2, 2, 0.5],
  ["no tags", "E", 0, 0, 0],
  ["an answer that is not closed", "<think>x</think><answer>E", 0, 0, 0.75],
  ["a well-formed wrong letter", withAnswer("A"), 0, 2, 1],
  ["nothing", "", 0, 0, 0],
];

describe("golden vectors of the paper's functions", () => {
  test.each(goldenVectors)("%s", (_name, completion, ...expected) => {
    expect(scores(completion)).toEqual(expected);
  });
});

interface PythonVectors {
  readonly rows: [text: string, accuracy: number, format: number, xmlcount: number][];
  readonly caseCharacters: number[];
  readonly equalCases: [number, number][];
}
const vectors: PythonVectors = JSON.parse(readFileSync(new URL("python-vectors.json", import.meta.url), "utf8"));

test("two thousand generated completions score as Python's regular expressions score them", () => {
  const wrong = vectors.rows.filter(([text, ...expected]) => scores(text).join() !== expected.join());
  expect(wrong).toEqual([]);
  expect(vectors.rows.length).toBeGreaterThan(2000);
  // A control: a function that gives one score to everything would not pass.
  for (const column of [1, 2, 3] as const) {
    expect(new Set(vectors.rows.map((row) => row[column])).size).toBeGreaterThan(2);
  }
});

test("letters are equal in any case exactly where Python's IGNORECASE says so", () => {
  const equal = new Set(vectors.equalCases.map((pair) => pair.join()));
  const wrong: string[] = [];
  for (const a of vectors.caseCharacters) {
    for (const b of vectors.caseCharacters) {
      if (a >= b) continue;
      const asked = { ...question, answer: "none", answerText: String.fromCodePoint(a) };
      const isEqual = accuracy(withAnswer(String.fromCodePoint(b)), asked, context) === 1;
      if (isEqual !== equal.has(`${a},${b}`)) wrong.push(`${a},${b}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(equal.size).toBe(425);
});

// The slow oracle: the same verdicts from every pair and triple of positions, straight from the expressions' meaning.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are white space to Python, which is the point
const pythonSpace = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;
const at = (text: string, part: string) =>
  Array.from({ length: text.length }, (_, index) => index).filter((index) => text.startsWith(part, index));

function slowFormat(text: string): number {
  const ends: number[] = [];
  for (const open of at(text, "<think>").filter((index) => index === 0)) {
    for (const close of at(text, "</think>").filter((index) => index >= open + 7)) {
      for (const answer of at(text, "<answer>")) {
        const between = text.slice(close + 8, answer);
        if (answer < close + 8 || !(between === "" || pythonSpace.test(between))) continue;
        ends.push(...at(text, "</answer>").filter((index) => index >= answer + 8));
      }
    }
  }
  const isStrict = ends.some((end) => ["", "\n"].includes(text.slice(end + 9)));
  return (ends.length > 0 ? 1 : 0) + (isStrict ? 1 : 0);
}

function slowAccuracy(text: string): number {
  const open = at(text, "<answer>")[0];
  const closes = open === undefined ? [] : at(text, "</answer>").filter((index) => index >= open + 8);
  const close = closes.at(-1);
  if (open === undefined || close === undefined) return 0;
  const characters = [...text.slice(open + 8, close)];
  while (pythonSpace.test(characters[0] ?? "")) characters.shift();
  while (pythonSpace.test(characters.at(-1) ?? "")) characters.pop();
  const answer = characters.join("");
  if (answer === "E" || answer === "(E)") return 2;
  return answer.toLowerCase().startsWith("nitrofurantoin") ? 1 : 0;
}

const piece = fc.constantFrom(
  ..."<think>|</think>|<answer>|</answer>|E|(E)| |\n|\u2003|x|<|/|nitrofurantoin".split("|"),
);
const completions = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));

test("the scanners agree with the slow oracle on any arrangement of tags", () => {
  let formatted = 0;
  fc.assert(
    fc.property(completions, fc.boolean(), (text, isFramed) => {
      const completion = isFramed ? `<think>${text}<answer>E</answer>` : text;
      formatted += slowFormat(completion) > 0 ? 1 : 0;
      expect(format(completion, question, context)).toBe(slowFormat(completion));
      expect(accuracy(completion, question, context)).toBe(slowAccuracy(completion));
    }),
    { numRuns: 3000, seed: 7 },
  );
  expect(formatted).toBeGreaterThan(100);
});

test("any string has a score in the published ranges", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const [a, f, x] = scores(text) as [number, number, number];
      expect([0, 1, 2]).toContain(a);
      expect([0, 1, 2]).toContain(f);
      expect([0, 0.25, 0.5, 0.75, 1]).toContain(x);
    }),
    { numRuns: 500, seed: 7 },
  );
});

// A text that counts how often it is searched and how far: the scanners ask for whole-string operations a number of
// times that does not grow with the text, except one step past each `</think>`.
class CountedText extends String {
  characters = 0;
  override indexOf(part: string, from = 0): number {
    const found = super.indexOf(part, from);
    this.characters += (found < 0 ? this.length : found) - from;
    return found;
  }
  override lastIndexOf(part: string): number {
    const found = super.lastIndexOf(part);
    this.characters += this.length - Math.max(found, 0);
    return found;
  }
}

test.each([
  ["opening tags", "<answer>", "<answer>"],
  ["closing thoughts", "<think>", "</think>"],
  ["an answer of spaces", "<think>x</think><answer>", " "],
  ["half tags", "<think>", "</answer"],
  ["alternating tags", "<think>", "</think><answer"],
])("a hostile completion of a megabyte (%s) is searched a few times over, not quadratically", (_name, head, filler) => {
  const text = head + filler.repeat(Math.ceil(1_000_000 / filler.length));
  const counted = new CountedText(text);
  const result = [accuracy, format, xmlcount].map((reward) => reward(counted as unknown as string, question, context));
  expect(result).toEqual(scores(text));
  expect(counted.characters).toBeGreaterThan(text.length); // a control: the counting took place
  expect(counted.characters).toBeLessThan(12 * text.length);
});
