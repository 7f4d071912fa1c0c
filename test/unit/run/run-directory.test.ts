import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RlvrError } from "../../../src/errors.ts";
import { damageOf, listCheckpoints, newestCheckpoint, publishCheckpoint } from "../../../src/run/checkpoints.ts";
import { JsonLinesFile, publishFolder, writeFileWhole } from "../../../src/run/files.ts";
import type { StepMetrics } from "../../../src/run/records.ts";
import { RunDirectory } from "../../../src/run/run-directory.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "rlvr-run-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const fill = (text: string) => async (folder: string) => {
  writeFileSync(join(folder, "state"), text);
  mkdirSync(join(folder, "adapter"));
  writeFileSync(join(folder, "adapter", "weights"), text.repeat(1000));
};
const refusal = (code: string) => Object.assign(new Error(code), { code });
const metrics = (step: number) => ({ step }) as StepMetrics;

describe("a checkpoint", () => {
  test("has a manifest with the size and sha256 of every file", async () => {
    const { folder } = await publishCheckpoint(root, 3, 5, fill("abc"));
    expect(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"))).toEqual({
      version: 1,
      step: 3,
      files: [
        { path: "adapter/weights", bytes: 3000, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        {
          path: "state",
          bytes: 3,
          sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
      ],
    });
    expect(await damageOf({ step: 3, folder })).toBeUndefined();
  });

  test("only the newest so many stay, by number and not by name", async () => {
    for (const step of [8, 9, 10, 11]) await publishCheckpoint(root, step, 2, fill("x"));
    expect(readdirSync(root).sort()).toEqual(["step-10", "step-11"]);
  });

  test.each([
    ["a byte changed", (folder: string) => writeFileSync(join(folder, "state"), "abd"), "another sha256"],
    ["a file cut short", (folder: string) => writeFileSync(join(folder, "state"), "ab"), "has 2 bytes, expected 3"],
    ["a file gone", (folder: string) => rmSync(join(folder, "adapter/weights")), "adapter/weights is missing"],
    ["no manifest", (folder: string) => rmSync(join(folder, "manifest.json")), "manifest.json"],
    [
      "a manifest of another step",
      (folder: string) => writeFileSync(join(folder, "manifest.json"), '{"version":1,"step":9,"files":[]}'),
      "is not that of step 2",
    ],
    [
      "a manifest that leads outside",
      (folder: string) =>
        writeFileSync(join(folder, "manifest.json"), '{"version":1,"step":2,"files":[{"path":"../x","bytes":1}]}'),
      "names the file ../x",
    ],
  ])("with %s is passed over for the one before it, which is said", async (_what, harm, reason) => {
    await publishCheckpoint(root, 1, 5, fill("abc"));
    const { folder } = await publishCheckpoint(root, 2, 5, fill("abc"));
    harm(folder);
    const messages: string[] = [];
    expect(await newestCheckpoint(root, (message) => messages.push(message))).toMatchObject({ step: 1 });
    expect(messages.join()).toContain(reason);
  });

  test("when none is intact the error says how many there were", async () => {
    const { folder } = await publishCheckpoint(root, 1, 5, fill("abc"));
    rmSync(join(folder, "state"));
    await expect(newestCheckpoint(root)).rejects.toMatchObject({ code: "RLVR_BAD_CHECKPOINT" });
    expect(await newestCheckpoint(join(root, "nowhere"))).toBeUndefined();
  });

  test("what an interrupted save left is removed at the next start", async () => {
    await publishCheckpoint(root, 1, 5, fill("abc"));
    mkdirSync(join(root, ".tmp-step-2-999"));
    writeFileSync(join(root, ".tmp-step-2-999", "state"), "half");
    const messages: string[] = [];
    expect(await newestCheckpoint(root, (message) => messages.push(message))).toMatchObject({ step: 1 });
    expect(readdirSync(root)).toEqual(["step-1"]);
    expect(messages).toEqual(["removed .tmp-step-2-999, which an interrupted save had left"]);
  });

  test("a disk that fills up leaves the earlier ones and nothing half-written", async () => {
    await publishCheckpoint(root, 1, 5, fill("abc"));
    const error: unknown = await publishCheckpoint(root, 2, 1, async (folder) => {
      writeFileSync(join(folder, "state"), "ha");
      throw refusal("ENOSPC");
    }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RlvrError);
    expect(error).toMatchObject({ code: "RLVR_IO" });
    expect((error as Error).message).toContain("the disk is full");
    expect(readdirSync(root)).toEqual(["step-1"]);
    expect(await damageOf({ step: 1, folder: join(root, "step-1") })).toBeUndefined();
  });

  test("a save killed at any moment leaves only whole checkpoints", async () => {
    // A process publishes one checkpoint after another and is killed at a random moment, again and again.
    const script = join(import.meta.dirname, "publish-for-ever.ts");
    let killed = 0;
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [join(import.meta.dirname, "../run-with-vite.mjs"), script, root], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(child.stdout, "data"); // the first checkpoint is out
      await new Promise((resolve) => setTimeout(resolve, 13 * round + 7));
      child.kill("SIGKILL");
      const [, signal] = (await once(child, "exit")) as [number | null, string | null];
      killed += signal === "SIGKILL" ? 1 : 0;
      for (const checkpoint of await listCheckpoints(root)) expect(await damageOf(checkpoint)).toBeUndefined();
      expect(await newestCheckpoint(root)).toBeDefined();
    }
    expect(killed).toBe(6);
  });
});

test("a folder is replaced as a whole", async () => {
  const target = join(root, "adapter");
  await publishFolder(target, fill("old"));
  await expect(publishFolder(target, () => Promise.reject(refusal("EIO")))).rejects.toMatchObject({ code: "RLVR_IO" });
  expect(readFileSync(join(target, "state"), "utf8")).toBe("old");
  await publishFolder(target, async (folder) => writeFileSync(join(folder, "other"), "new"));
  expect(readdirSync(target)).toEqual(["other"]);
});

test("a bug is not dressed as a refusal of the system", async () => {
  const bug = new TypeError("x is not a function");
  await expect(publishFolder(join(root, "a"), () => Promise.reject(bug))).rejects.toBe(bug);
});

test("a file that cannot be written keeps its old content", async () => {
  const file = join(root, "config.yaml");
  await writeFileWhole(file, "old");
  await expect(writeFileWhole(join(root, "nowhere", "config.yaml"), "new")).rejects.toMatchObject({ code: "RLVR_IO" });
  await writeFileWhole(file, "new");
  expect([readFileSync(file, "utf8"), readdirSync(root)]).toEqual(["new", ["config.yaml"]]);
});

describe("a JSON-lines log", () => {
  const all = () => true;

  test("an append that the disk refuses half-way leaves no half line", async () => {
    const file = join(root, "metrics.jsonl");
    const log = await JsonLinesFile.open(file, all);
    await log.append([{ step: 1 }]);
    // The next append writes five bytes and then fails, as on a full disk.
    const handle = await open(file, "r");
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const { appendFile } = prototype;
    prototype.appendFile = async function (bytes: Buffer) {
      await appendFile.call(this, bytes.subarray(0, 5));
      throw refusal("ENOSPC");
    };
    try {
      const error: unknown = await log.append([{ step: 2 }]).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "RLVR_IO" });
      expect((error as Error).message).toContain("the disk is full");
    } finally {
      prototype.appendFile = appendFile;
    }
    expect(readFileSync(file, "utf8")).toBe('{"step":1}\n');
    await log.append([{ step: 3 }]);
    expect(readFileSync(file, "utf8")).toBe('{"step":1}\n{"step":3}\n');
    await log.close();
  });

  test("opening cuts off later rows and a line that was not finished", async () => {
    const file = join(root, "metrics.jsonl");
    writeFileSync(file, '{"step":1}\n{"step":2,"text":"é"}\n{"step":3}\n{"st');
    const log = await JsonLinesFile.open(file, (row) => (row.step as number) <= 2);
    await log.append([{ step: 4 }]);
    await log.close();
    expect(readFileSync(file, "utf8")).toBe('{"step":1}\n{"step":2,"text":"é"}\n{"step":4}\n');
  });
});

describe("a run directory", () => {
  test("is for one process at a time, and the second is told who has it", async () => {
    const first = await RunDirectory.open(root);
    const error: unknown = await RunDirectory.open(root).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "RLVR_LOCKED" });
    expect((error as Error).message).toContain(`is in use by process ${process.pid} on `);
    await first.close();
    await (await RunDirectory.open(root)).close();
  });

  test("whose holder is dead is taken over at once, and that is said", async () => {
    const first = await RunDirectory.open(root);
    const holder = join(root, ".lock-holder.json");
    const dead = { ...JSON.parse(readFileSync(holder, "utf8")), pid: 2 ** 22 + 1 };
    writeFileSync(holder, JSON.stringify(dead));
    const messages: string[] = [];
    const second = await RunDirectory.open(root, { onMessage: (message) => messages.push(message) });
    expect(messages.join()).toContain(`process ${dead.pid} had locked`);
    await second.close();
    await first.close();
  });

  test("that holds a run is not overwritten; a resume keeps the rows up to the checkpoint", async () => {
    const first = await RunDirectory.open(root);
    await first.log(metrics(1), []);
    await first.checkpoint(1, 2, fill("x"));
    await first.log(metrics(2), []);
    await first.close();
    await expect(RunDirectory.open(root)).rejects.toThrow("already holds a run");
    const second = await RunDirectory.open(root, { resume: true });
    expect(second.resumedFrom).toMatchObject({ step: 1 });
    await second.close();
    expect(readFileSync(join(root, "metrics.jsonl"), "utf8")).toBe('{"step":1}\n');
  });

  test("whose path is a file is refused with the reason", async () => {
    writeFileSync(join(root, "file"), "");
    await expect(RunDirectory.open(join(root, "file", "run"))).rejects.toMatchObject({ code: "RLVR_IO" });
  });
});
