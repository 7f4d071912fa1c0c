// Parquet files as the hub has them: flat columns of text and numbers, and lists of text.
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { RlvrError } from "../errors.ts";
import { checkRowLength, collectRows, type RowOptions, type Rows } from "./rows.ts";

const maxRows = 2_000_000;
const maxBytes = 2 ** 30; // unpacked; the largest benchmark file has 10 MiB
const maxRatio = 1000; // of a page; text packs to a fifth, a column of one value to far less
const ratioFloor = 2 ** 20;

/** Converts each row, an object of its columns; `convert` throws RowProblem for a row it refuses. Numbered from 1. */
export async function readParquet<T>(
  bytes: Uint8Array,
  file: string,
  convert: (value: Record<string, unknown>, row: number) => T,
  options: RowOptions = {},
): Promise<Rows<T>> {
  let records: Record<string, unknown>[];
  try {
    records = await readRecords(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RlvrError("RLVR_BAD_DATA", `[parquet] ${file}: ${reason}; fetch the file again`, { cause });
  }
  const toRow = (value: Record<string, unknown>, row: number) => {
    checkRowLength(textLength(value), options);
    return convert(value, row);
  };
  const sources = records.map((source, index) => ({ row: index + 1, source }));
  return collectRows(sources, file, toRow, { ...options, expected: "a table with rows" });
}

async function readRecords(bytes: Uint8Array): Promise<Record<string, unknown>[]> {
  // The library cuts slices of an ArrayBuffer; a view into a larger one is copied out.
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const metadata = parquetMetadata(file);
  if (metadata.num_rows > maxRows)
    throw new Error(`says that it has ${metadata.num_rows} rows; at most ${maxRows} are read`);
  const columns = metadata.row_groups.flatMap((group) => group.columns);
  const claimed = columns.reduce((sum, column) => sum + Number(column.meta_data?.total_uncompressed_size ?? 0), 0);
  if (claimed > maxBytes) throw new Error(`says that it unpacks to ${claimed} bytes; at most ${maxBytes} are read`);
  return await parquetReadObjects({ file, metadata, compressors: boundedCompressors() });
}

/** The decompressors, which take a page's own word for its size, under the limits of a file. */
function boundedCompressors(): typeof compressors {
  let total = 0;
  const bounded = Object.entries(compressors).map(([codec, unpack]) => {
    const checked: typeof unpack = (input, bytes) => {
      total += bytes;
      if (total > maxBytes) throw new Error(`its pages unpack to more than ${maxBytes} bytes`);
      if (bytes > ratioFloor && bytes > maxRatio * input.length) {
        throw new Error(`a page would grow from ${input.length} to ${bytes} bytes, more than ${maxRatio} times`);
      }
      return unpack(input, bytes);
    };
    return [codec, checked];
  });
  return Object.fromEntries(bounded);
}

function textLength(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, item) => sum + textLength(item), 0);
}
