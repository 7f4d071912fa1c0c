import { strToU8, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { readBenchmark } from "../../../src/data/read-benchmark.ts";
import { zipFolder } from "../../../src/data/zip-folder.ts";
import { memoryFolder } from "./memory-folder.ts";

const header = ",Question,A,B,C,D,Answer\n";
const content = {
  "dev/anatomy.csv": `${header}0,问？,一,二,三,四,B\n`,
  "test/anatomy.csv": `${header}0,哪？,一,二,三,四,C\n`,
};
const archive = (files: Record<string, string> = content, level: 0 | 9 = 9) =>
  zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)])), { level });

/** Sets a field of every directory entry (and local header), which begin with `signature`. */
function patched(bytes: Uint8Array, signature: number, offset: number, width: 2 | 4, value: number): Uint8Array {
  const copy = Buffer.from(bytes);
  for (let at = 0; at + 46 < copy.length; at += 1) {
    if (copy.readUInt32LE(at) !== signature) continue;
    if (width === 2) copy.writeUInt16LE(value, at + offset);
    else copy.writeUInt32LE(value, at + offset);
  }
  return copy;
}
const directory = 0x02014b50;

test.each([0, 9] as const)("the files of an archive are read (compression level %i)", async (level) => {
  const folder = zipFolder(archive(content, level), "a.zip");
  expect(await folder.list()).toEqual(Object.keys(content));
  expect(new TextDecoder().decode(await folder.read("test/anatomy.csv"))).toBe(content["test/anatomy.csv"]);
  await expect(folder.read("test/other.csv")).rejects.toThrow('there is no entry "test/other.csv"');
});

test("a benchmark is read out of the archive it comes in", async () => {
  const rows = await readBenchmark("cmmlu", memoryFolder({ "README.md": "", "cmmlu_v1_0_1.zip": archive() }));
  expect(rows.test.map(({ id, answer }) => [id, answer])).toEqual([["cmmlu/anatomy/test/1", "C"]]);
  expect(rows.shots.map(({ id, answer }) => [id, answer])).toEqual([["cmmlu/anatomy/dev/1", "B"]]);
});

describe("what is refused", () => {
  const refusal = (bytes: Uint8Array) => {
    try {
      zipFolder(bytes, "a.zip");
    } catch (error) {
      expect(error).toMatchObject({ code: "RLVR_BAD_DATA" });
      return (error as Error).message;
    }
    throw new Error("nothing was thrown");
  };

  test.each(["../test/x.csv", "/etc/x.csv", "a/../../x.csv", "C:\\x.csv", "a\\..\\x.csv", "a//x.csv", "./x.csv"])(
    "a name that leaves the folder: %s",
    (name) => {
      expect(refusal(archive({ [name]: "x" }))).toContain("would lie outside of the folder");
    },
  );

  test("a name that occurs twice", () => {
    const twin = Buffer.from(archive({ "test/a.csv": "x", "test/b.csv": "y" }));
    for (let at = twin.indexOf("test/b.csv"); at >= 0; at = twin.indexOf("test/b.csv", at))
      twin.write("test/a.csv", at);
    expect(refusal(twin)).toContain('"test/a.csv" occurs twice');
  });

  test("an encrypted entry", () => {
    expect(refusal(patched(archive(), directory, 8, 2, 1))).toContain("is encrypted");
  });

  test("a compression method that is not known", () => {
    expect(refusal(patched(archive(), directory, 10, 2, 14))).toContain("compression method 14; readable: 0 (stored)");
  });

  test("a bomb, by the ratio that its directory admits", () => {
    const bomb = archive({ "test/a.csv": "x".repeat(5_000_000) });
    expect(bomb.length).toBeLessThan(10_000);
    expect(refusal(bomb)).toMatch(/would grow from \d+ to 5000000 bytes, more than 200 times/);
  });

  test("a bomb, by its size", () => {
    const many = patched(patched(archive(), directory, 24, 4, 600_000_000), directory, 20, 4, 300_000_000);
    expect(refusal(many)).toContain("more than 1073741824 bytes together");
  });

  test("a bomb that understates its size: unpacking stops there", async () => {
    const liar = zipFolder(patched(archive({ "a.csv": "x".repeat(5_000_000) }), directory, 24, 4, 100), "a.zip");
    await expect(liar.read("a.csv")).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
    await expect(liar.read("a.csv")).rejects.toThrow("cannot be unpacked");
  });

  test("content that is not what its checksum says", async () => {
    const damaged = zipFolder(patched(archive(), directory, 16, 4, 7), "a.zip");
    await expect(damaged.read("test/anatomy.csv")).rejects.toThrow("not what its size and checksum say");
  });

  test("an entry beyond the end, and one that begins elsewhere", async () => {
    const beyond = zipFolder(patched(archive({ "a.csv": "x" }), directory, 20, 4, 9999), "a.zip");
    await expect(beyond.read("a.csv")).rejects.toThrow("reaches over the end");
    const elsewhere = zipFolder(patched(archive({ "a.csv": "x" }), directory, 42, 4, 3), "a.zip");
    await expect(elsewhere.read("a.csv")).rejects.toThrow("does not begin where the directory says");
  });

  test.each(["", "PK", "not an archive at all, but long enough to be one"])("what is no archive: %j", (text) => {
    expect(refusal(Buffer.from(text))).toContain("it has no end record");
  });

  test("every cut of an archive, without a crash", async () => {
    const whole = archive();
    for (let length = 0; length < whole.length; length += 1)
      expect(() => zipFolder(whole.subarray(0, length), "a")).toThrow();
  });

  test("every changed byte is refused or gives the same files: nothing crashes", async () => {
    const whole = archive();
    for (let at = 0; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      try {
        const folder = zipFolder(changed, "a.zip");
        for (const path of await folder.list()) await folder.read(path);
      } catch (error) {
        expect(error).toMatchObject({ code: "RLVR_BAD_DATA" });
      }
    }
  });
});
