// A ZIP archive as a source of data files. Nothing is written to disk; what an archive claims is checked before memory
// is taken. Format: PKWARE APPNOTE 6.3, without encryption, several disks, and ZIP64.
import { crc32, inflateRawSync } from "node:zlib";
import { RlvrError } from "../errors.ts";
import type { DataFolder } from "./data-folder.ts";

const maxEntries = 10_000;
const maxTotalBytes = 2 ** 30;
const maxRatio = 200; // text deflates to a fifth, runs of one byte to a thousandth
const ratioFloor = 2 ** 20; // below this size a high ratio harms nobody

interface Entry {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly offset: number;
}

/**
 * The files of an archive, unpacked when they are read. Throws RLVR_BAD_DATA for names that leave the archive's folder,
 * names that occur twice, encryption, sizes or ratios of a bomb, and data that contradicts its own directory.
 */
export function zipFolder(archive: Uint8Array, name: string): DataFolder {
  const refuse = (problem: string): never => {
    throw new RlvrError("RLVR_BAD_DATA", `[zip] ${name}: ${problem}; fetch the archive again from its source`);
  };
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const entries = new Map<string, Entry>();
  let total = 0;
  for (const entry of readDirectory(bytes, refuse)) {
    const shown = JSON.stringify(entry.name);
    if (!isSafePath(entry.name)) refuse(`the entry ${shown} would lie outside of the folder it is unpacked to`);
    if (entries.has(entry.name)) refuse(`the entry ${shown} occurs twice`);
    if ((entry.flags & 1) !== 0) refuse(`the entry ${shown} is encrypted; expected a plain archive`);
    if (entry.method !== 0 && entry.method !== 8) {
      refuse(`the entry ${shown} has compression method ${entry.method}; readable: 0 (stored), 8 (deflate)`);
    }
    if (entry.bytes > ratioFloor && entry.bytes > maxRatio * entry.packedBytes) {
      refuse(
        `the entry ${shown} would grow from ${entry.packedBytes} to ${entry.bytes} bytes, more than ${maxRatio} times`,
      );
    }
    total += entry.bytes;
    if (total > maxTotalBytes) refuse(`its files have more than ${maxTotalBytes} bytes together`);
    entries.set(entry.name, entry);
  }
  return {
    name,
    async list() {
      return [...entries.keys()].filter((path) => !path.endsWith("/") && !path.startsWith("__MACOSX/"));
    },
    async read(path) {
      return unpack(bytes, entries.get(path) ?? refuse(`there is no entry ${JSON.stringify(path)}`), refuse);
    },
  };
}

/** The entries of the central directory, which is found by the end record that closes the file. */
function readDirectory(bytes: Buffer, refuse: (problem: string) => never): Entry[] {
  const end = bytes.lastIndexOf("PK\x05\x06", -22, "latin1");
  if (end < 0 || end + 22 + bytes.readUInt16LE(end + 20) > bytes.length) return refuse("it has no end record");
  const count = bytes.readUInt16LE(end + 10);
  const start = bytes.readUInt32LE(end + 16);
  if (start === 0xffffffff || count === 0xffff) return refuse("it is a ZIP64 archive, which is not read");
  if (count > maxEntries) return refuse(`it has ${count} entries; at most ${maxEntries} are read`);
  const entries: Entry[] = [];
  let at = start;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > end || bytes.readUInt32LE(at) !== 0x02014b50)
      return refuse(`entry ${index + 1} of its directory is damaged`);
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28);
    entries.push({
      name: bytes.toString("utf8", at + 46, nameEnd),
      flags: bytes.readUInt16LE(at + 8),
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      packedBytes: bytes.readUInt32LE(at + 20),
      bytes: bytes.readUInt32LE(at + 24),
      offset: bytes.readUInt32LE(at + 42),
    });
    at = nameEnd + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (at > end) return refuse(`entry ${index + 1} of its directory is damaged`);
  }
  return entries;
}

/** A relative path of plain parts, which may end in "/" (a folder). */
function isSafePath(path: string): boolean {
  const parts = path.replace(/\/$/, "").split("/");
  return !/[\\\0:]/.test(path) && parts.every((part) => part !== "" && part !== "." && part !== "..");
}

function unpack(bytes: Buffer, entry: Entry, refuse: (problem: string) => never): Uint8Array {
  const { name, offset, packedBytes, method } = entry;
  const shown = JSON.stringify(name);
  if (offset + 30 > bytes.length || bytes.readUInt32LE(offset) !== 0x04034b50) {
    return refuse(`the entry ${shown} does not begin where the directory says`);
  }
  const start = offset + 30 + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28);
  if (start + packedBytes > bytes.length) return refuse(`the entry ${shown} reaches over the end of the file`);
  const packed = bytes.subarray(start, start + packedBytes);
  let content: Uint8Array = packed;
  if (method === 8) {
    try {
      content = inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.bytes) });
    } catch (error) {
      return refuse(
        `the entry ${shown} cannot be unpacked (${error instanceof Error ? error.message : String(error)})`,
      );
    }
  }
  if (content.length !== entry.bytes || crc32(content) !== entry.crc) {
    return refuse(`the entry ${shown} is not what its size and checksum say`);
  }
  return content;
}
