// Reads the key-value metadata at the head of a GGUF file, and nothing after it.
// Every length in the file is checked against the bytes that are left before anything is allocated for it.

import { isUtf8 } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ioError, RlvrError } from "../errors.ts";
import { StringList } from "./token-table.ts";

export type GgufScalar = number | bigint | boolean | string;
/** A list of strings is kept as bytes: a vocabulary has a quarter of a million. */
export type GgufValue = GgufScalar | GgufScalar[] | StringList;
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

const chunkBytes = 1 << 20;
const maxKeyBytes = 65_535; // the format's own limit
const minEntryBytes = 8 + 1 + 4 + 1; // key length, one character, type, one byte of value

const valueType = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;

/** Smallest number of bytes that one value of the type takes in the file. */
const minValueBytes: Readonly<Record<number, number>> = {
  [valueType.uint8]: 1,
  [valueType.int8]: 1,
  [valueType.uint16]: 2,
  [valueType.int16]: 2,
  [valueType.uint32]: 4,
  [valueType.int32]: 4,
  [valueType.float32]: 4,
  [valueType.bool]: 1,
  [valueType.string]: 8,
  [valueType.uint64]: 8,
  [valueType.int64]: 8,
  [valueType.float64]: 8,
};

/**
 * The metadata of a GGUF file (version 2 or 3, little-endian) by key. Integers are numbers where they are exact,
 * else bigints; arrays are flat.
 *
 * @throws RlvrError RLVR_BAD_CHECKPOINT when the head of the file is not sound, RLVR_IO when it cannot be read.
 */
export function readGgufMetadata(path: string): GgufMetadata {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw ioError(`opening ${path}`, cause);
  }
  try {
    return readHead(new Cursor(file, fstatSync(file).size, path));
  } catch (cause) {
    throw ioError(`reading ${path}`, cause);
  } finally {
    closeSync(file);
  }
}

function readHead(cursor: Cursor): GgufMetadata {
  const magic = cursor.size >= 4 ? cursor.bytes(4, "magic").toString("latin1") : "";
  if (magic !== "GGUF") {
    throw cursor.bad(
      `the file does not start with "GGUF"`,
      "Check the path; it may be a web page or a git-lfs pointer.",
    );
  }
  const version = cursor.uint32("version");
  if (version !== 2 && version !== 3) {
    throw cursor.bad(`version ${version} is not readable (2 and 3 are)`, "Convert the file with a current llama.cpp.");
  }
  cursor.count("tensor count", 1);
  const entries = cursor.count("metadata count", minEntryBytes);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entries; ++i) {
    const key = cursor.string("a metadata key", maxKeyBytes);
    if (metadata.has(key)) throw cursor.bad(`key ${JSON.stringify(key)} stands twice`);
    metadata.set(key, readValue(cursor, key));
  }
  return metadata;
}

function readValue(cursor: Cursor, key: string): GgufValue {
  const type = cursor.uint32(key);
  if (type !== valueType.array) return readScalar(cursor, type, key);
  const elementType = cursor.uint32(key);
  const minBytes = minValueBytes[elementType];
  if (minBytes === undefined) throw cursor.bad(`key ${JSON.stringify(key)} is an array of unknown type ${elementType}`);
  const length = cursor.count(key, minBytes);
  if (elementType === valueType.string) return cursor.strings(length, key);
  const fast = wholeArray[elementType];
  if (fast !== undefined) return Array.from(fast(cursor.bytes(length * minBytes, key)));
  const values: GgufScalar[] = [];
  for (let i = 0; i < length; ++i) values.push(readScalar(cursor, elementType, key));
  return values;
}

/** Long lists are of these types: token types and scores. A copy is aligned and outlives the buffer. */
const wholeArray: Readonly<Record<number, (bytes: Buffer) => ArrayLike<number>>> = {
  [valueType.int32]: (bytes) => new Int32Array(Uint8Array.from(bytes).buffer),
  [valueType.float32]: (bytes) => new Float32Array(Uint8Array.from(bytes).buffer),
};

function readScalar(cursor: Cursor, type: number, key: string): GgufScalar {
  switch (type) {
    case valueType.uint8:
      return cursor.bytes(1, key).readUInt8();
    case valueType.int8:
      return cursor.bytes(1, key).readInt8();
    case valueType.uint16:
      return cursor.bytes(2, key).readUInt16LE();
    case valueType.int16:
      return cursor.bytes(2, key).readInt16LE();
    case valueType.uint32:
      return cursor.uint32(key);
    case valueType.int32:
      return cursor.bytes(4, key).readInt32LE();
    case valueType.float32:
      return cursor.bytes(4, key).readFloatLE();
    case valueType.bool:
      return cursor.bytes(1, key).readUInt8() !== 0;
    case valueType.string:
      return cursor.string(key, cursor.size);
    case valueType.uint64:
      return exactNumber(cursor.bytes(8, key).readBigUInt64LE());
    case valueType.int64:
      return exactNumber(cursor.bytes(8, key).readBigInt64LE());
    case valueType.float64:
      return cursor.bytes(8, key).readDoubleLE();
    default:
      throw cursor.bad(`key ${JSON.stringify(key)} has unknown type ${type}`);
  }
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Forward-only reader over a file through one buffer. */
class Cursor {
  readonly size: number;
  readonly #file: number;
  readonly #path: string;
  // A byte-order mark is text here: vocabularies hold it as a token.
  readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #buffer: Buffer = Buffer.alloc(0);
  #offset = 0; // next byte within the buffer
  #bufferEnd = 0; // file position after the buffer

  constructor(file: number, size: number, path: string) {
    this.#file = file;
    this.size = size;
    this.#path = path;
  }

  get position(): number {
    return this.#bufferEnd - (this.#buffer.length - this.#offset);
  }

  get remaining(): number {
    return this.size - this.position;
  }

  /** The next bytes, valid until the next call. */
  bytes(length: number, what: string): Buffer {
    if (length > this.remaining) {
      throw this.bad(`${what} needs ${length} bytes at offset ${this.position}, ${this.remaining} are left`, truncated);
    }
    if (length > this.#buffer.length - this.#offset) this.#refill(length, what);
    const start = this.#offset;
    this.#offset += length;
    return this.#buffer.subarray(start, this.#offset);
  }

  uint32(what: string): number {
    return this.bytes(4, what).readUInt32LE();
  }

  /** A 64-bit count of things that take at least `minBytes` each in what is left of the file. */
  count(what: string, minBytes: number): number {
    const bytes = this.bytes(8, what);
    const value = bytes.readUInt32LE(4) * 2 ** 32 + bytes.readUInt32LE(0);
    if (value > Math.floor(this.remaining / minBytes)) {
      throw this.bad(
        `${what} counts ${bytes.readBigUInt64LE()}, more than the ${this.remaining} bytes left can hold`,
        truncated,
      );
    }
    return value;
  }

  string(what: string, maxBytes: number): string {
    const length = this.count(what, 1);
    if (length > maxBytes) throw this.bad(`${what} is ${length} bytes long (at most ${maxBytes})`);
    const bytes = this.bytes(length, what);
    try {
      return this.#text.decode(bytes);
    } catch {
      throw this.bad(`${what} is not UTF-8 at offset ${this.position - length}`);
    }
  }

  /** So many strings, one after the other. */
  strings(count: number, what: string): StringList {
    const [starts, ends] = [new Int32Array(count), new Int32Array(count)];
    const first = this.position;
    let bytes = Buffer.allocUnsafe(Math.min(this.remaining, 32 * count));
    let end = 0;
    for (let i = 0; i < count; ++i) {
      const length = this.count(what, 1);
      if (end + length > bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(bytes.length + length)]);
      starts[i] = end;
      bytes.set(this.bytes(length, what), end);
      end += length;
      ends[i] = end;
      // A string may not end within a character: the next one would complete it.
      const isWhole = i === 0 || length === 0 || ((bytes[starts[i] as number] as number) & 0xc0) !== 0x80;
      if (!isWhole) throw this.bad(`${what} is not UTF-8 at offset ${this.position - length}`);
    }
    const used = bytes.subarray(0, end);
    if (!isUtf8(used)) throw this.bad(`${what} is not UTF-8 at or after offset ${first}`);
    return new StringList(used, starts, ends);
  }

  bad(what: string, advice = "Download the file again."): RlvrError {
    return new RlvrError("RLVR_BAD_CHECKPOINT", `[gguf] reading ${this.#path}: ${what}.\n       ${advice}`);
  }

  #refill(length: number, what: string): void {
    const start = this.position;
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(length, chunkBytes), this.size - start));
    let filled = 0;
    while (filled < buffer.length) {
      const got = readSync(this.#file, buffer, filled, buffer.length - filled, start + filled);
      if (got === 0) break;
      filled += got;
    }
    if (filled < length) throw this.bad(`${what}: the file ended at ${start + filled}; it shrank while it was read`);
    this.#buffer = buffer.subarray(0, filled);
    this.#offset = 0;
    this.#bufferEnd = start + filled;
  }
}

const truncated = "The file is truncated or damaged; download it again.";
