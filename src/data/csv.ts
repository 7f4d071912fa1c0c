// CSV files as upstream benchmarks have them: quoted fields with commas, quotes and line ends; LF or CRLF; a byte order
// mark or none; the last line end there or not.
import { CsvError, parse } from "csv-parse/sync";
import { RlvrError } from "../errors.ts";
import { checkRowLength, checkUtf8, collectRows, type RowOptions, RowProblem, type Rows } from "./rows.ts";

export interface CsvFormat extends RowOptions {
  /** The fields of every row. */
  readonly columns: number;
  /** The header that the first row must be; it is not counted as a row. None: every row is data. */
  readonly header?: string;
}

/** Converts each row's fields; `convert` throws RowProblem for a row it refuses. Rows are numbered from 1. */
export function readCsv<T>(
  bytes: Uint8Array,
  file: string,
  convert: (fields: readonly string[], row: number) => T,
  { columns, header, ...options }: CsvFormat,
): Rows<T> {
  let records: string[][];
  try {
    records = parse(bytes, {
      bom: true,
      record_delimiter: ["\r\n", "\n"],
      relax_column_count: true,
      skip_empty_lines: true,
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new RlvrError("RLVR_BAD_DATA", `[data] ${file}: is not CSV (${error.message}); fetch the file again`, {
      cause: error,
    });
  }
  if (header !== undefined && records.shift()?.join(",") !== header) {
    throw new RlvrError("RLVR_BAD_DATA", `[data] ${file}: its first row is not the header ${JSON.stringify(header)}`);
  }
  const toRow = (fields: string[], row: number) => {
    if (fields.length !== columns) throw new RowProblem(`has ${fields.length} fields; expected ${columns}`);
    checkRowLength(
      fields.reduce((sum, field) => sum + field.length, 0),
      options,
    );
    for (const field of fields) checkUtf8(field);
    return convert(fields, row);
  };
  const sources = records.map((source, index) => ({ row: index + 1, source }));
  return collectRows(sources, file, toRow, { ...options, expected: `rows of ${columns} fields` });
}
