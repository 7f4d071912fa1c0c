import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readBenchmark } from "../../../src/data/read-benchmark.ts";
import { benchmarkFolder } from "../../../src/hub/hub-folder.ts";
import { HubServer, type ServedFile } from "./hub-server.ts";

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "rlvr-hub-folder-"));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

const settingsFor = (endpoint: string) => ({ endpoint, cache, token: undefined, tokenFile: "t", isOffline: false });

test("GSM8K is read from the hub, and only the files that are needed are downloaded", async () => {
  const row = (answer: number) => `${JSON.stringify({ question: "How many?", answer: `Count.\n#### ${answer}` })}\n`;
  const files: ServedFile[] = [
    { path: "main/train.jsonl", content: Buffer.from(row(1)) },
    { path: "main/test.jsonl", content: Buffer.from(row(2) + row(3)), isLarge: true },
    { path: "README.md", content: Buffer.from("a card") },
  ];
  await using server = await HubServer.start(files);
  const rows = await readBenchmark("gsm8k", await benchmarkFolder("gsm8k", { settings: settingsFor(server.address) }));
  expect(rows.test.map(({ answer }) => answer)).toEqual(["2", "3"]);
  expect(rows.shots).toHaveLength(1);
  expect(server.downloads.map(({ url }) => url).sort()).toEqual([
    expect.stringMatching(/^\/datasets\/openai\/gsm8k\/resolve\/[0-9a-f]{40}\/main\/test.jsonl$/),
    expect.stringMatching(/train.jsonl$/),
  ]);
});

const cmmlu = ",Question,A,B,C,D,Answer\n0,一加一等于几？,1,2,3,4,B\n";

test("CMMLU is read out of its zip", async () => {
  const zip = zipSync({ "dev/anatomy.csv": strToU8(cmmlu), "test/anatomy.csv": strToU8(cmmlu) });
  await using server = await HubServer.start([{ path: "cmmlu_v1_0_1.zip", content: Buffer.from(zip), isLarge: true }]);
  const rows = await readBenchmark("cmmlu", await benchmarkFolder("cmmlu", { settings: settingsFor(server.address) }));
  expect(rows.test).toMatchObject([{ subject: "anatomy", answer: "B" }]);
});

test("a zip entry that would leave its folder is refused", async () => {
  const zip = zipSync({ "../test/anatomy.csv": strToU8(cmmlu), "test/anatomy.csv": strToU8(cmmlu) });
  await using server = await HubServer.start([{ path: "cmmlu_v1_0_1.zip", content: Buffer.from(zip), isLarge: true }]);
  const folder = await benchmarkFolder("cmmlu", { settings: settingsFor(server.address) });
  await expect(readBenchmark("cmmlu", folder)).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
});
