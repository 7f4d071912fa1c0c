import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import type { Benchmark } from "../../../src/data/benchmark-row.ts";
import { readBenchmark } from "../../../src/data/read-benchmark.ts";
import { localFolder } from "../../../src/run/local-folder.ts";
import { sharedData, skipsSharedData } from "../shared-data.ts";
import { memoryFolder } from "./memory-folder.ts";

const parquet = (name: string) => readFileSync(resolve(import.meta.dirname, `../../golden/parquet/${name}.parquet`));
const cmmluHeader = ",Question,A,B,C,D,Answer";

async function messageOf(reading: Promise<unknown>): Promise<string> {
  const error: unknown = await reading.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  return (error as Error).message;
}

describe("MMLU's csv files", () => {
  test("have no header; quoted fields hold commas, quotes and line ends; CRLF and a missing last line end are read", async () => {
    const folder = memoryFolder({
      "data/test/anatomy_test.csv": '"What, then?",1,2,3,4,C\r\n"Lines\nand ""quotes"", too",a,b,c,"d, e",D',
      "data/dev/anatomy_dev.csv": "\ufeffFirst?,a,b,c,d,A\n",
      "data/val/anatomy_val.csv": "not read",
      "data/auxiliary_train/race.csv": "not read",
    });
    expect(await readBenchmark("mmlu", folder)).toEqual({
      benchmark: "mmlu",
      test: [
        {
          benchmark: "mmlu",
          id: "mmlu/anatomy/test/1",
          subject: "anatomy",
          question: "What, then?",
          options: ["1", "2", "3", "4"],
          answer: "C",
        },
        {
          benchmark: "mmlu",
          id: "mmlu/anatomy/test/2",
          subject: "anatomy",
          question: 'Lines\nand "quotes", too',
          options: ["a", "b", "c", "d, e"],
          answer: "D",
        },
      ],
      shots: [
        {
          benchmark: "mmlu",
          id: "mmlu/anatomy/dev/1",
          subject: "anatomy",
          question: "First?",
          options: ["a", "b", "c", "d"],
          answer: "A",
        },
      ],
      skipped: [],
    });
  });

  test("whose rows are bad are refused with the rows' numbers, or the rows are skipped and counted", async () => {
    const folder = memoryFolder({
      "test/anatomy_test.csv": [
        "a,b,c,d",
        "q,1,2,3,4,E",
        "q,1,,3,4,A",
        ",1,2,3,4,A",
        "q,1,2,3,4,A",
        "caf\ufffd,1,2,3,4,A",
        `${"x".repeat(1_000_001)},1,2,3,4,A`,
      ].join("\n"),
    });
    expect((await messageOf(readBenchmark("mmlu", folder))).split("\n")).toEqual([
      "[data] memory/test/anatomy_test.csv: 6 bad rows",
      "  row 1: has 4 fields; expected 6",
      '  row 2: the answer is "E"; expected one of A, B, C, D',
      "  row 3: option B is empty",
      "  row 4: the question is empty",
      expect.stringMatching(/^ {2}row 6: holds U\+FFFD/),
      "  row 7: the row has 1000006 characters; at most 1000000 are read",
      "  Correct them, or set data.on_bad_row to skip to leave them out.",
    ]);
    const { test: rows, skipped } = await readBenchmark("mmlu", folder, { onBadRow: "skip" });
    expect(rows).toHaveLength(1);
    expect(skipped.map(({ file, row }) => [file, row])).toEqual(
      [1, 2, 3, 4, 6, 7].map((row) => ["memory/test/anatomy_test.csv", row]),
    );
  });

  test("with a quote that is never closed are refused with the line", async () => {
    const folder = memoryFolder({ "test/anatomy_test.csv": 'q,1,2,3,4,A\n"q,1,2,3,4,A\n' });
    expect(await messageOf(readBenchmark("mmlu", folder))).toMatch(
      /anatomy_test\.csv: is not CSV \(Quote Not Closed.*line 2/,
    );
  });

  test("an option that occurs twice is kept: three official rows have one", async () => {
    const folder = memoryFolder({ "test/anatomy_test.csv": "q,same,same,3,4,A\n" });
    expect((await readBenchmark("mmlu", folder)).test[0]?.options).toEqual(["same", "same", "3", "4"]);
  });
});

describe("MMLU on the hub", () => {
  const all = {
    "all/test-00000-of-00001.parquet": parquet("mmlu-test"),
    "all/dev-00000-of-00001.parquet": parquet("mmlu-dev"),
    "all/validation-00000-of-00001.parquet": parquet("mmlu-bad"),
    "all/auxiliary_train-00000-of-00001.parquet": parquet("mmlu-bad"),
    "data.tar": "",
  };
  test("is one table for all subjects: rows are numbered within their subject, as in the csv files", async () => {
    const { test: rows, shots } = await readBenchmark("mmlu", memoryFolder(all));
    expect(rows.map(({ id, answer }) => [id, answer])).toEqual([
      ["mmlu/anatomy/test/1", "C"],
      ["mmlu/virology/test/1", "A"],
      ["mmlu/anatomy/test/2", "D"],
    ]);
    expect(rows[0]?.options).toEqual(["one", "two", 'three, or "3"', "four\nand more"]);
    expect(shots.map(({ id, answer }) => [id, answer])).toEqual([["mmlu/anatomy/dev/1", "B"]]);
  });

  test("or a folder for each subject", async () => {
    const folder = memoryFolder({
      "anatomy/test-00000-of-00001.parquet": parquet("mmlu-gzip"),
      "anatomy/dev-00000-of-00001.parquet": parquet("mmlu-dev"),
    });
    expect((await readBenchmark("mmlu", folder)).test.map(({ id }) => id)).toEqual(["mmlu/anatomy/test/1"]);
  });

  test("or in several shards, which count on", async () => {
    const folder = memoryFolder({
      "all/test-00001-of-00002.parquet": parquet("mmlu-gzip"),
      "all/test-00000-of-00002.parquet": parquet("mmlu-test"),
    });
    const { test: rows } = await readBenchmark("mmlu", folder);
    expect(rows.map(({ id }) => id).at(-1)).toBe("mmlu/anatomy/test/3");
  });

  test.each(["gzip", "zstd", "brotli", "lz4", "none"])("compressed by %s", async (codec) => {
    const folder = memoryFolder({ "all/test-00000-of-00001.parquet": parquet(`mmlu-${codec}`) });
    expect((await readBenchmark("mmlu", folder)).test[0]?.options[1]).toBe("two");
  });

  test("with bad rows is refused with their numbers", async () => {
    const folder = memoryFolder({ "all/test-00000-of-00001.parquet": parquet("mmlu-bad") });
    expect((await messageOf(readBenchmark("mmlu", folder))).split("\n").slice(1, 4)).toEqual([
      '  row 1: "answer" is 4; expected 0 to 3',
      '  row 2: "question" is empty; expected text',
      '  row 4: "choices" has 1 entries; expected 4',
    ]);
    const { test: rows } = await readBenchmark("mmlu", folder, { onBadRow: "skip" });
    expect(rows.map(({ id }) => id)).toEqual(["mmlu/anatomy/test/3"]);
  });

  test("as a bomb is refused before it is unpacked", async () => {
    const folder = memoryFolder({ "all/test-00000-of-00001.parquet": parquet("mmlu-bomb") });
    expect(await messageOf(readBenchmark("mmlu", folder))).toMatch(/a page would grow from \d+ to \d+ bytes/);
  });

  test("cut anywhere is refused, never a crash", async () => {
    const whole = parquet("mmlu-test");
    for (let length = 0; length < whole.length; length += 7) {
      const folder = memoryFolder({ "all/test-00000-of-00001.parquet": whole.subarray(0, length) });
      await expect(readBenchmark("mmlu", folder)).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
    }
  });
});

describe("CMMLU", () => {
  test("has a header and an unnamed first column", async () => {
    const folder = memoryFolder({
      "test/anatomy.csv": `\ufeff${cmmluHeader}\r\n0,问？,一,二,三,四,B\r\n1,"引""号""，逗,号",一,二,三,四,A`,
    });
    const { test: rows } = await readBenchmark("cmmlu", folder);
    expect(rows.map(({ id, question, answer }) => [id, question, answer])).toEqual([
      ["cmmlu/anatomy/test/1", "问？", "B"],
      ["cmmlu/anatomy/test/2", '引"号"，逗,号', "A"],
    ]);
  });

  test("with another header is refused", async () => {
    const folder = memoryFolder({ "test/anatomy.csv": "0,问？,一,二,三,四,B\n" });
    expect(await messageOf(readBenchmark("cmmlu", folder))).toContain("its first row is not the header");
  });

  test("without a row is refused", async () => {
    const folder = memoryFolder({ "test/anatomy.csv": `${cmmluHeader}\n` });
    expect(await messageOf(readBenchmark("cmmlu", folder))).toContain("no usable row; expected rows of 7 fields");
  });
});

describe("GSM8K", () => {
  const row = { question: "1 + 1?", answer: "1 + 1 = <<1+1=2>>2\n#### 1,002" };
  test("answers are the numbers after ####, as they are written; the solution is kept", async () => {
    const { test: rows } = await readBenchmark("gsm8k", memoryFolder({ "test.jsonl": JSON.stringify(row) }));
    expect(rows).toEqual([
      {
        benchmark: "gsm8k",
        id: "gsm8k/test/1",
        subject: "gsm8k",
        question: "1 + 1?",
        options: [],
        answer: "1,002",
        solution: row.answer,
      },
    ]);
  });

  test("on the hub is read from main, not from socratic", async () => {
    const folder = memoryFolder({
      "socratic/test-00000-of-00001.parquet": "x",
      "main/test-00000-of-00001.parquet": parquet("gsm8k-test"),
    });
    expect((await readBenchmark("gsm8k", folder)).test[0]).toMatchObject({ answer: "5" });
  });

  test.each(["2", "#### ", "#### two", "#### 1#"])("an answer %j is a bad row", async (answer) => {
    const folder = memoryFolder({ "test.jsonl": JSON.stringify({ ...row, answer }) });
    expect(await messageOf(readBenchmark("gsm8k", folder))).toContain('expected "#### " and a number');
  });
});

describe("MedQA", () => {
  const row = {
    question: "Which drug?",
    answer: "Aspirin",
    options: { A: "Ampicillin", B: "Aspirin" },
    answer_idx: "B",
    meta_info: "step1",
  };
  const expected = {
    benchmark: "medqa",
    subject: "medqa",
    question: "Which drug?",
    options: ["Ampicillin", "Aspirin"],
    answer: "B",
  };
  const line = JSON.stringify(row);

  test("of four options is preferred to that of five", async () => {
    const us = "data_clean/questions/US";
    const folder = memoryFolder({
      [`${us}/test.jsonl`]: JSON.stringify({ ...row, options: { ...row.options, C: "x", D: "y", E: "z" } }),
      [`${us}/4_options/phrases_no_exclude_test.jsonl`]: line,
      [`${us}/4_options/phrases_no_exclude_dev.jsonl`]: "not read",
      [`${us}/4_options/phrases_no_exclude_train.jsonl`]: `${line}\n${line}\n`,
      "data_clean/questions/Mainland/test.jsonl": "not read",
    });
    const { test: rows, shots } = await readBenchmark("medqa", folder);
    expect(rows).toEqual([{ ...expected, id: "medqa/test/1" }]);
    expect(shots.map(({ id }) => id)).toEqual(["medqa/train/1", "medqa/train/2"]);
  });

  test("of five options, where there is no other", async () => {
    const five = JSON.stringify({ ...row, options: { ...row.options, C: "x", D: "y", E: "z" } });
    const folder = memoryFolder({ "US/test.jsonl": five, "Taiwan/test.jsonl": "not read" });
    expect((await readBenchmark("medqa", folder)).test[0]?.options).toHaveLength(5);
  });

  test("on the hub: GBaker's files, and those with endings", async () => {
    const lines = memoryFolder({ "phrases_no_exclude_test.jsonl": line, "phrases_no_exclude_train.jsonl": line });
    expect((await readBenchmark("medqa", lines)).test).toEqual([{ ...expected, id: "medqa/test/1" }]);
    const endings = {
      id: "test-0",
      sent1: "Which drug?",
      sent2: "",
      ending0: "Ampicillin",
      ending1: "Aspirin",
      label: 1,
    };
    const hf = memoryFolder({
      "test.json": JSON.stringify(endings),
      "train.json": JSON.stringify({ ...endings, label: 0 }),
    });
    const { test: rows, shots } = await readBenchmark("medqa", hf);
    expect(rows).toEqual([{ ...expected, id: "medqa/test/1" }]);
    expect(shots[0]).toMatchObject({ answer: "A", id: "medqa/train/1" });
    const bad = memoryFolder({ "test.json": JSON.stringify({ ...endings, label: 2 }) });
    expect(await messageOf(readBenchmark("medqa", bad))).toContain('"label" is 2; expected 0 to 1');
  });
});

describe("finding files", () => {
  const rows = { "test/anatomy_test.csv": "q,1,2,3,4,A\n", "test/virology_test.csv": "q,1,2,3,4,B\n" };

  test("a root that holds several benchmarks: each has its own folder", async () => {
    const folder = memoryFolder({
      "mmlu/all/test-00000-of-00001.parquet": parquet("mmlu-test"),
      "gsm8k/main/test-00000-of-00001.parquet": parquet("gsm8k-test"),
    });
    expect((await readBenchmark("mmlu", folder)).test).toHaveLength(3);
    expect((await readBenchmark("gsm8k", folder)).test).toHaveLength(1);
    // Its pattern fits the others' files; they are not taken for its own.
    expect(await messageOf(readBenchmark("mmlu-pro", folder))).toMatch(
      /no test file of mmlu-pro; there are no files; expected data\//,
    );
  });

  test("a folder without them says what is there and what was expected", async () => {
    const error: unknown = await readBenchmark("mmlu", memoryFolder({ "a.txt": "", "b.txt": "" })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "RLVR_NOT_FOUND" });
    expect((error as Error).message).toContain(
      "memory: no test file of mmlu; there are a.txt, b.txt; expected {dev,test}/<subject>",
    );
    await expect(readBenchmark("mmlu", localFolder("/nowhere/at/all"))).rejects.toMatchObject({
      code: "RLVR_NOT_FOUND",
    });
  });

  test("subjects can be chosen; one that is not there is an error with those that are", async () => {
    const { test: chosen } = await readBenchmark("mmlu", memoryFolder(rows), { subjects: ["virology"] });
    expect(chosen.map(({ id }) => id)).toEqual(["mmlu/virology/test/1"]);
    const unknown = readBenchmark("mmlu", memoryFolder(rows), { subjects: ["virology", "astrology"] });
    await expect(unknown).rejects.toThrow("mmlu has no subject astrology; it has anatomy, virology");
    const table = memoryFolder({ "all/test-00000-of-00001.parquet": parquet("mmlu-test") });
    expect((await readBenchmark("mmlu", table, { subjects: ["anatomy"] })).test).toHaveLength(2);
    await expect(readBenchmark("mmlu", table, { subjects: ["x"] })).rejects.toThrow("it has anatomy, virology");
  });
});

describe.skipIf(skipsSharedData)("the upstream files as they are", () => {
  const read = (benchmark: Benchmark) => readBenchmark(benchmark, localFolder(sharedData));

  test.each([
    ["mmlu", 12_651, 285, 57],
    ["cmmlu", 10_441, 335, 67],
    ["mmlu-pro", 11_029, 70, 14],
    ["gsm8k", 1131, 7100, 1],
    ["medqa", 1018, 756, 1],
  ] as const)(
    "%s has %i test rows and %i for examples in %i subjects, with ids of their own",
    async (benchmark, tests, shots, subjects) => {
      const rows = await read(benchmark);
      expect([rows.test.length, rows.shots.length, rows.skipped.length]).toEqual([tests, shots, 0]);
      expect(new Set(rows.test.map(({ subject }) => subject)).size).toBe(subjects);
      expect(new Set([...rows.test, ...rows.shots].map(({ id }) => id)).size).toBe(tests + shots);
      const own = await readBenchmark(benchmark, localFolder(join(sharedData, benchmark.replace("-", "_"))));
      expect(own.test).toEqual(rows.test);
    },
  );

  test("MMLU: every subject has 5 examples, the three CRLF files end no answer in a return, line ends in fields stay", async () => {
    const { test: rows, shots } = await read("mmlu");
    const count = (subject: string) => shots.filter((row) => row.subject === subject).length;
    expect(new Set(shots.map(({ subject }) => count(subject)))).toEqual(new Set([5]));
    expect(rows.filter(({ question }) => question.includes("\n")).length).toBeGreaterThan(500);
    expect(rows.filter(({ subject }) => subject === "clinical_knowledge")).toHaveLength(239);
    expect(rows.every(({ answer }) => "ABCD".includes(answer))).toBe(true);
  });

  test("MMLU: 18 questions and more are there twice, under ids of their own", async () => {
    const { test: rows } = await read("mmlu");
    const texts = rows.map(({ question, options }) => JSON.stringify([question, options]));
    expect(texts.length - new Set(texts).size).toBeGreaterThan(0);
  });

  test("MMLU-Pro: 3 to 10 options; 21 validation rows padded with N/A, which stays; every worked solution is there", async () => {
    const { test: rows, shots } = await read("mmlu-pro");
    expect([...new Set(rows.map(({ options }) => options.length))].sort((a, b) => a - b)).toEqual([
      3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    expect(shots.filter(({ options }) => options.includes("N/A"))).toHaveLength(21);
    expect(rows.filter(({ options }) => options.includes("N/A"))).toHaveLength(0);
    expect(shots.every(({ solution }) => solution?.startsWith("A: Let's think step by step."))).toBe(true);
  });

  test("GSM8K: every answer is a number and the solutions keep their marks", async () => {
    const { test: rows } = await read("gsm8k");
    expect(rows.every(({ answer }) => Number.isFinite(Number(answer.replaceAll(",", ""))))).toBe(true);
    expect(rows.filter(({ solution }) => solution?.includes("<<")).length).toBeGreaterThan(1000);
  });
});
