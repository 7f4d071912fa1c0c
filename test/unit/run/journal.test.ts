import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { Journal, readJournal } from "../../../src/run/journal.ts";
import { temporaryFolder } from "../text/temporary-folder.ts";

let file: string;
beforeEach(() => {
  file = join(temporaryFolder("journal"), "deep", "answers.jsonl");
});

const record = (id: string, key = "k") => ({ key, id, text: `\u2028 ${id}\n` });

async function all(path = file): Promise<object[]> {
  const records = [];
  for await (const one of readJournal(path)) records.push(one);
  return records;
}

test("records are kept in order, found by key and id, and there after it is opened again", async () => {
  const journal = await Journal.open(file);
  await journal.append([record("a"), record("b")]);
  await Promise.all([journal.append([record("a", "other")]), journal.append([]), journal.append([record("c")])]);
  expect([journal.has("k", "a"), journal.has("k", "z"), journal.has("z", "a"), journal.size]).toEqual([
    true,
    false,
    false,
    4,
  ]);
  await journal.close();
  const again = await Journal.open<ReturnType<typeof record>>(file);
  expect([again.has("other", "a"), again.has("other", "b"), again.size]).toEqual([true, false, 4]);
  const seen = [];
  for await (const { key, id, text } of again.records()) seen.push([key, id, text]);
  expect(seen).toEqual(
    [
      ["k", "a"],
      ["k", "b"],
      ["other", "a"],
      ["k", "c"],
    ].map(([key, id]) => [key, id, `\u2028 ${id}\n`]),
  );
  await again.close();
  expect([existsSync(`${file}.lock`), existsSync(`${file}.lock-holder.json`)]).toEqual([false, false]);
});

test("a record that is there already is refused, with its whole batch", async () => {
  await using journal = await Journal.open(file);
  await journal.append([record("a")]);
  await expect(journal.append([record("b"), record("a")])).rejects.toMatchObject({ code: "RLVR_BAD_STATE" });
  await expect(journal.append([record("b"), record("b")])).rejects.toThrow("already has a record of key k and id b");
  expect(await all()).toHaveLength(1);
  await journal.append([record("b")]);
  expect(journal.size).toBe(2);
});

describe("a last line that a crash has torn", () => {
  test.each(['{"key":"k","id":"b","te', '{"key":"k","id":"b"}', "\0\0\0", '{"key":"k"}\n', "nonsense\n"])(
    "is cut off, and said: %j",
    async (torn) => {
      const first = await Journal.open(file);
      await first.append([record("a")]);
      await first.close();
      appendFileSync(file, torn);
      expect(await all()).toEqual([record("a")]);
      const messages: string[] = [];
      const second = await Journal.open(file, { onMessage: (message) => messages.push(message) });
      expect(messages.join()).toContain("line 2, which a crash had torn");
      await second.append([record("b")]);
      await second.close();
      expect(await all()).toEqual([record("a"), record("b")]);
    },
  );

  test("is the only damage that is healed", async () => {
    const first = await Journal.open(file);
    await first.append([record("a"), record("b")]);
    await first.close();
    const [a = "", b = ""] = readFileSync(file, "utf8").split("\n");
    for (const [text, problem] of [
      [`${a}\nnonsense\n${b}\n`, "line 2: is not JSON"],
      [`${a}\n{"id":"b"}\n${b}\n`, 'line 2: lacks a text "key" or "id"'],
      [`${a}\n${b}\n${a}\n`, "line 3: has the key and id of an earlier line (k, a)"],
    ] as const) {
      writeFileSync(file, text);
      const opening = Journal.open(file);
      await expect(opening).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
      await expect(opening).rejects.toThrow(problem);
      expect(readFileSync(file, "utf8")).toBe(text);
    }
  });
});

test("a line of megabytes is read back whole", async () => {
  const long = { key: "k", id: "long", text: "é".repeat(3_000_000) };
  const journal = await Journal.open(file);
  await journal.append([record("a"), long, record("b")]);
  await journal.close();
  expect((await all())[1]).toEqual(long);
});

test("only one process writes at a time, and the second is told who does; readers need no lock", async () => {
  const journal = await Journal.open(file);
  await journal.append([record("a")]);
  await expect(Journal.open(file)).rejects.toThrow(`is in use by process ${process.pid}`);
  expect(await all()).toHaveLength(1);
  await journal.close();
  await (await Journal.open(file)).close();
});

test("one that is not there is said, with where it was expected", async () => {
  await expect(all()).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
});

test("killed at any moment it keeps every record whose append had resolved", async () => {
  const root = resolve(import.meta.dirname, "../../..");
  const script = [join(root, "test/unit/run-with-vite.mjs"), join(import.meta.dirname, "append-for-ever.ts"), file];
  let safe = 0;
  for (let round = 0; round < 5; round += 1) {
    const child = spawn(process.execPath, script, { stdio: ["ignore", "pipe", "inherit"] });
    const before = safe;
    child.stdout.on("data", (chunk: Buffer) => {
      safe = Number(chunk.toString().trim().split("\n").at(-1));
    });
    while (safe < before + 10 * (round + 1)) await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "close");
    const ids = (await all()).map((one) => Number((one as { id: string }).id));
    expect(ids.length).toBeGreaterThanOrEqual(safe);
    expect(ids).toEqual(ids.map((_, index) => index));
    safe = ids.length;
  }
});
