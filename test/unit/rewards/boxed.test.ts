import { expect, test } from "vitest";
import { boxedAnswer, boxes } from "../../../src/rewards/boxed.ts";

const question = { options: { A: "Aspirin", B: "Vitamin C", C: "Iron", D: "Zinc" } };
const letterOf = (text: string) => boxedAnswer(text, question).letter;

test.each([
  ["no box at all", []],
  ["\\boxed{A}", ["A"]],
  ["\\boxed {A} and \\boxed{ }", ["A", " "]],
  ["\\boxed{\\text{A}}", ["\\text{A}"]],
  ["\\boxed{\\frac{1}{2}} then \\boxed{B}.", ["\\frac{1}{2}", "B"]],
  ["\\boxed{a \\} b}", ["a \\} b"]],
  ["\\boxed{\\boxed{A}}", ["\\boxed{A}"]],
  ["\\boxed{A} \\boxed{B", ["A"]],
  ["\\boxed{ never closed \\boxed{C} and on", ["C"]],
  ["} \\boxed{A}", ["A"]],
  ["\\\\boxed{A}", ["A"]],
  ["\\boxedA}", []],
])("boxes of %j", (text, expected) => {
  expect(boxes(text)).toEqual(expected);
});

test.each([
  ["\\boxed{C}", "C"],
  ["\\boxed{(C)}", "C"],
  ["\\boxed{C.}", "C"],
  ["\\boxed{c}", "C"],
  ["$\\boxed{\\textbf{C}}$", "C"],
  ["\\boxed{\\mathrm{C}}", "C"],
  ["\\boxed{**C**}", "C"],
  ["\\boxed{$C$}", "C"],
  ["\\boxed{C: Iron}", "C"],
  ["\\boxed{(C) Iron}", "C"],
  ["\\boxed{\\text{C. Iron}}", "C"],
  ["\\boxed{iron}", "C"],
  ["\\boxed{Vitamin C}", "B"],
  ["\\boxed{A or C}", undefined],
  ["\\boxed{A, C}", undefined],
  ["\\boxed{(A) and (C)}", undefined],
  ["\\boxed{C: iron, since zinc is not}", "C"],
  ["\\boxed{Option C}", "C"],
  ["\\boxed{The correct answer is C}", "C"],
  ["\\boxed{Vitamin C deficiency}", undefined],
  ["\\boxed{a diet}", undefined],
  ["\\boxed{E}", undefined],
  ["\\boxed{}", undefined],
  ["\\boxed{neither}", undefined],
  ["The answer is C", undefined],
  ["\\boxed{A} no, \\boxed{C}", "C"],
  [`\\boxed{${"C ".repeat(600)}}`, undefined],
])("the option of %j", (text, letter) => {
  expect(letterOf(text)).toBe(letter);
});

test("boxes that name different options are ambiguous; the same one twice, or an empty one, are not", () => {
  expect(boxedAnswer("\\boxed{A} \\boxed{C}", question)).toEqual({ letter: "C", hasBox: true, isAmbiguous: true });
  expect(boxedAnswer("\\boxed{C} \\boxed{Iron}", question)).toEqual({ letter: "C", hasBox: true, isAmbiguous: false });
  expect(boxedAnswer("within \\boxed{ }: \\boxed{C}", question)).toMatchObject({ letter: "C", isAmbiguous: false });
  expect(boxedAnswer("none", question)).toEqual({ letter: undefined, hasBox: false, isAmbiguous: false });
});

test("every prefix of a text has an answer or none, and never throws", () => {
  const text = "\\boxed{\\text{A}} \\{ } \\boxed {{C}} \\boxed{";
  for (let length = 0; length <= text.length; length += 1) boxes(text.slice(0, length));
  expect(boxes(text)).toEqual(["\\text{A}", "{C}"]);
});

test.each([
  ["boxes that are never closed", () => "\\boxed{".repeat(1_500_000)],
  ["closed boxes", () => "\\boxed{A}".repeat(1_200_000)],
  ["braces that close", () => `\\boxed{${"{".repeat(5_000_000)}${"}".repeat(5_000_000)}`],
  ["backslashes", () => `\\boxed{${"\\".repeat(10_000_000)}`],
  ["spaces", () => `\\boxed${" ".repeat(20)}`.repeat(400_000)],
  ["long boxes", () => `\\boxed{A ${"x ".repeat(490)}}`.repeat(10_000)],
  ["long boxes of letters", () => `\\boxed{${"A ".repeat(490)}}`.repeat(10_000)],
])("10 MB of %s take less than 100 ms", (_, make) => {
  letterOf("\\boxed{A}");
  const hostile = Buffer.from(`${make()}\\boxed{C}`).toString(); // one flat string, as a decoder gives it
  const best = Math.min(
    ...[1, 2, 3].map(() => {
      const start = process.cpuUsage();
      boxedAnswer(hostile, question);
      return process.cpuUsage(start).user / 1000; // of this process, however busy the machine is
    }),
  );
  expect(best).toBeLessThan(100);
});
