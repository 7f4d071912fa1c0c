import { expect, test } from "vitest";
import { formatP, formatPoints, subjectName } from "../../../src/report/evaluation-tables.ts";
import { pictureName } from "../../../src/report/picture.ts";
import { csv, escapeMarkdown, markdownTable, terminalTable } from "../../../src/report/plain-text.ts";
import { wrapped } from "../../../src/report/wrap.ts";

const table = {
  title: "T",
  columns: [
    { name: "Name", isNumber: false },
    { name: "n", isNumber: true },
  ],
  rows: [
    ["a|b", "1"],
    ["汉字", "200"],
  ],
};

test("a terminal's table has its numbers to the right, and wide characters take two places", () => {
  expect(terminalTable(table)).toBe("T\nName    n\n----  ---\na|b     1\n汉字  200");
});

test("characters that move a terminal's cursor are shown as one that does not", () => {
  const shown = terminalTable({ ...table, rows: [["\u001b[2J\u202e", "1"]] });
  expect(shown).toContain("\ufffd[2J\ufffd");
  expect(shown).not.toContain("\u001b");
});

test("Markdown is escaped", () => {
  expect(markdownTable(table)).toContain("| a\\|b | 1 |");
  expect(escapeMarkdown("<b>*x*</b> [y](z) & `w`")).toBe("&lt;b&gt;\\*x\\*&lt;/b&gt; \\[y\\](z) &amp; \\`w\\`");
});

test("CSV quotes what needs it and defuses formulas", () => {
  expect(
    csv(
      ["a", "b"],
      [
        ['x"y', 1.5],
        ["=1+1", null],
        ["-\n", -2],
      ],
    ),
  ).toBe('a,b\r\n"x""y",1.5\r\n\'=1+1,\r\n"\'-\n",-2\r\n');
});

test("differences, probabilities and subjects read as people write them", () => {
  expect([0.0125, -0.005, 0.00001, -0.00001].map(formatPoints)).toEqual(["+1.25", "−0.50", "0.00", "0.00"]);
  expect([0.5, 0.0042, 0.00001].map(formatP)).toEqual(["0.500", "0.0042", "<0.0001"]);
  expect(["us_foreign_policy", "computer science", "chinese_history"].map(subjectName)).toEqual([
    "US foreign policy",
    "computer science",
    "Chinese history",
  ]);
});

test("labels break at words, three lines at most", () => {
  expect(wrapped("high school government and politics", 17)).toEqual(["high school", "government and", "politics"]);
  expect(wrapped("a bb ccc dddd eeeee ffffff", 5)).toEqual(["a bb", "ccc", "dddd…"]);
  expect(wrapped("internationalization", 10)).toEqual(["internati…"]);
});

test("pictures are numbered as the paper's figures", () => {
  const names = ["3a", "3d-mmlu", "12", "mmlu-uncategorized"].map((number) => pictureName({ number }));
  expect(names).toEqual(["figure-03a", "figure-03d-mmlu", "figure-12", "mmlu-uncategorized"]);
});
