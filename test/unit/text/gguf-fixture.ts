// Writes the head of a GGUF file for tests, sound or broken.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./temporary-folder.ts";

export type Entry = { key: string; bytes: Buffer };

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
export const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const f32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

export const raw = (key: string, type: number, bytes: Buffer): Entry => ({
  key,
  bytes: Buffer.concat([u32(type), bytes]),
});
export const string = (key: string, value: string): Entry => raw(key, 8, text(value));
export const uint32 = (key: string, value: number): Entry => raw(key, 4, u32(value));
export const bool = (key: string, value: boolean): Entry => raw(key, 7, Buffer.from([value ? 1 : 0]));
export const strings = (key: string, values: string[]): Entry =>
  raw(key, 9, Buffer.concat([u32(8), u64(values.length), ...values.map(text)]));
export const int32s = (key: string, values: number[]): Entry =>
  raw(key, 9, Buffer.concat([u32(5), u64(values.length), ...values.map(u32)]));
export const float32s = (key: string, values: number[]): Entry =>
  raw(key, 9, Buffer.concat([u32(6), u64(values.length), ...values.map(f32)]));

export function ggufBytes(
  entries: Entry[],
  { magic = "GGUF", version = 3, count = entries.length as number | bigint } = {},
) {
  const body = entries.map(({ key, bytes }) => Buffer.concat([text(key), bytes]));
  return Buffer.concat([Buffer.from(magic), u32(version), u64(0), u64(count), ...body]);
}

export function writeTemporary(bytes: Buffer, name = "model.gguf"): string {
  const path = join(temporaryFolder("gguf"), name);
  writeFileSync(path, bytes);
  return path;
}

/** GPT-2's visible characters for the 256 bytes, in byte order. */
export function byteAlphabet(): string[] {
  const visible = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(visible(byte) ? byte : next++));
}
