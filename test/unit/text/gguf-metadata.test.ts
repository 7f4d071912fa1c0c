import { expect, test } from "vitest";
import { RlvrError } from "../../../src/errors.ts";
import { readGgufMetadata } from "../../../src/text/gguf-metadata.ts";
import { StringList } from "../../../src/text/token-table.ts";
import {
  bool,
  float32s,
  ggufBytes,
  int32s,
  raw,
  string,
  strings,
  u64,
  uint32,
  writeTemporary,
} from "./gguf-fixture.ts";

const read = (bytes: Buffer) => readGgufMetadata(writeTemporary(bytes));

function refusal(bytes: Buffer): string {
  try {
    read(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(RlvrError);
    expect((error as RlvrError).code).toBe("RLVR_BAD_CHECKPOINT");
    return (error as RlvrError).message;
  }
  throw new Error("the file was accepted");
}

const everyType = [
  raw("u8", 0, Buffer.from([200])),
  raw("i8", 1, Buffer.from([0xff])),
  raw("u16", 2, Buffer.from([0x34, 0x12])),
  raw("i16", 3, Buffer.from([0xfe, 0xff])),
  uint32("u32", 4_000_000_000),
  raw("i32", 5, Buffer.from([0xff, 0xff, 0xff, 0xff])),
  raw("f32", 6, Buffer.from([0, 0, 0xc0, 0x3f])),
  bool("yes", true),
  string("text", "Ärzte"),
  raw("u64", 10, u64(7)),
  raw("huge", 10, u64(2n ** 63n)),
  raw("i64", 11, Buffer.alloc(8, 0xff)),
  raw("f64", 12, Buffer.from([0, 0, 0, 0, 0, 0, 4, 0x40])),
  strings("tokens", ["a", "\uFEFF", ""]),
  int32s("types", [1, 3]),
  float32s("scores", [0.5, -2]),
];

test("every value type is read, in order", () => {
  const values = [...read(ggufBytes(everyType))].map(([key, value]) => [
    key,
    value instanceof StringList ? [...value] : value,
  ]);
  expect(values).toEqual([
    ["u8", 200],
    ["i8", -1],
    ["u16", 0x1234],
    ["i16", -2],
    ["u32", 4_000_000_000],
    ["i32", -1],
    ["f32", 1.5],
    ["yes", true],
    ["text", "Ärzte"],
    ["u64", 7],
    ["huge", 2n ** 63n],
    ["i64", -1],
    ["f64", 2.5],
    ["tokens", ["a", "\uFEFF", ""]],
    ["types", [1, 3]],
    ["scores", [0.5, -2]],
  ]);
});

test("a file cut short at any byte is refused as truncated, never read as something else", () => {
  const whole = ggufBytes(everyType);
  for (let length = 0; length < whole.length; ++length) refusal(whole.subarray(0, length));
  expect(read(whole).size).toBe(everyType.length);
});

test("text longer than the read buffer is read whole", () => {
  const long = "x".repeat((1 << 20) + 17);
  const metadata = read(ggufBytes([string("a", "first"), string("b", long), string("c", "last")]));
  expect(metadata.get("b")).toBe(long);
  expect(metadata.get("c")).toBe("last");
});

test("counts that the file cannot hold are refused before anything is allocated", () => {
  expect(refusal(ggufBytes(everyType, { count: 2n ** 63n }))).toContain("metadata count counts 9223372036854775808");
  const array = raw("tokens", 9, Buffer.concat([Buffer.from([8, 0, 0, 0]), u64(2n ** 61n)]));
  expect(refusal(ggufBytes([array]))).toContain("tokens counts 2305843009213693952");
  expect(refusal(ggufBytes([raw("text", 8, u64(2n ** 64n - 1n))]))).toContain("text counts 18446744073709551615");
});

test("what is not a GGUF file of version 2 or 3 is refused with the reason", () => {
  expect(refusal(ggufBytes([], { magic: "GGML" }))).toContain(`does not start with "GGUF"`);
  expect(refusal(Buffer.from("<!doctype html>"))).toContain(`does not start with "GGUF"`);
  expect(refusal(ggufBytes([], { version: 1 }))).toContain("version 1 is not readable");
});

test("double keys, unknown types, nested lists and broken text are refused", () => {
  expect(refusal(ggufBytes([uint32("a", 1), uint32("a", 2)]))).toContain(`"a" stands twice`);
  expect(refusal(ggufBytes([raw("a", 13, Buffer.alloc(8))]))).toContain("unknown type 13");
  const nested = Buffer.concat([Buffer.from([9, 0, 0, 0]), u64(1), Buffer.alloc(16)]);
  expect(refusal(ggufBytes([raw("a", 9, nested)]))).toContain("array of unknown type 9");
  expect(refusal(ggufBytes([raw("a", 8, Buffer.concat([u64(1), Buffer.from([0xff])]))]))).toContain("not UTF-8");
});

test("a missing file is an RLVR_IO error that names it", () => {
  expect(() => readGgufMetadata("/nowhere/model.gguf")).toThrow(
    expect.objectContaining({ code: "RLVR_IO", message: expect.stringContaining("/nowhere/model.gguf") }),
  );
});
