// Rows of a file, whatever its format: numbered, with every bad row reported (up to a limit) or skipped and counted.
import { RlvrError } from "../errors.ts";

/** A row that cannot be used, by its line number in the file, from 1. */
export interface BadRow {
  readonly row: number;
  readonly reason: string;
}

export interface Rows<T> {
  readonly rows: T[];
  /** The rows that were left out; empty unless `onBadRow` is "skip". */
  readonly skipped: BadRow[];
}

export interface RowOptions {
  /** "fail" (default) reports the bad rows and throws RLVR_BAD_DATA; "skip" leaves them out and lists them. */
  readonly onBadRow?: "fail" | "skip";
  /** How many bad rows the error names; the rest are counted. */
  readonly maxReported?: number;
  /** Longest row that is read, in characters. */
  readonly maxRowLength?: number;
}

/** Thrown by a row's reader; the message becomes the reason of a BadRow. */
export class RowProblem extends Error {}

const defaultMaxRowLength = 1_000_000; // a vignette has 2 thousand characters; a longer line is another kind of file

/**
 * Reads one JSON object per line. A byte order mark, CRLF line ends, blank lines and a missing last line end are
 * accepted. `convert` gets the object and the line number and throws RowProblem for a row it refuses.
 */
export function readJsonLines<T>(
  text: string,
  file: string,
  convert: (value: Record<string, unknown>, row: number) => T,
  options: RowOptions = {},
): Rows<T> {
  const lines = (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text).split("\n").map((line, index) => ({
    row: index + 1,
    source: line.endsWith("\r") ? line.slice(0, -1) : line,
  }));
  const toRow = (line: string, row: number) => {
    checkRowLength(line.length, options);
    return convert(parseObject(line), row);
  };
  return collectRows(
    lines.filter(({ source }) => source.trim() !== ""),
    file,
    toRow,
    { ...options, expected: "one JSON object on each line" },
  );
}

/** Converts every row; those that `convert` refuses by RowProblem are reported together, or skipped. */
export function collectRows<S, T>(
  sources: Iterable<{ readonly row: number; readonly source: S }>,
  file: string,
  convert: (source: S, row: number) => T,
  { onBadRow = "fail", maxReported = 20, expected }: RowOptions & { readonly expected: string },
): Rows<T> {
  const rows: T[] = [];
  const bad: BadRow[] = [];
  for (const { row, source } of sources) {
    try {
      rows.push(convert(source, row));
    } catch (error) {
      if (!(error instanceof RowProblem)) throw error;
      bad.push({ row, reason: error.message });
    }
  }
  if (bad.length > 0 && onBadRow !== "skip") throw badRowsError(file, bad, maxReported);
  if (rows.length === 0) {
    throw new RlvrError(
      "RLVR_BAD_DATA",
      `[data] ${file}: no usable row; expected ${expected}` +
        (bad.length > 0 ? `; ${bad.length} rows were skipped, the first is row ${bad[0]?.row}: ${bad[0]?.reason}` : ""),
    );
  }
  return { rows, skipped: bad };
}

/** Refuses a row of more than `maxRowLength` characters. */
export function checkRowLength(length: number, { maxRowLength = defaultMaxRowLength }: RowOptions): void {
  if (length > maxRowLength) {
    throw new RowProblem(`the row has ${length} characters; at most ${maxRowLength} are read`);
  }
}

/** Refuses text in which bytes that are not UTF-8 were replaced. */
export function checkUtf8(text: string): void {
  if (text.includes("\ufffd")) {
    throw new RowProblem("holds U+FFFD, the mark of bytes that are not UTF-8; save the file as UTF-8");
  }
}

function parseObject(line: string): Record<string, unknown> {
  checkUtf8(line);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new RowProblem(`is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RowProblem(`is ${describe(value)}; expected a JSON object`);
  }
  return value as Record<string, unknown>;
}

function badRowsError(file: string, bad: readonly BadRow[], limit: number): RlvrError {
  const listed = bad.slice(0, limit).map(({ row, reason }) => `\n  row ${row}: ${reason}`);
  const more = bad.length > limit ? `\n  … and ${bad.length - limit} more` : "";
  return new RlvrError(
    "RLVR_BAD_DATA",
    `[data] ${file}: ${bad.length} bad ${bad.length === 1 ? "row" : "rows"}${listed.join("")}${more}\n` +
      "  Correct them, or set data.on_bad_row to skip to leave them out.",
  );
}

/** A value in words, short enough for a message. */
export function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object") return "an object";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The text under `key`, which must be there and not blank. */
export function textField(value: Record<string, unknown>, key: string): string {
  const field = Object.hasOwn(value, key) ? value[key] : undefined;
  if (typeof field !== "string" || field.trim() === "") {
    throw new RowProblem(`"${key}" is ${field === "" ? "empty" : describe(field)}; expected text`);
  }
  return field;
}

/** The options under `key`: an object of letters, or an array that is lettered from A. At least two. */
export function optionsField(value: Record<string, unknown>, key: string): Record<string, string> {
  const field = Object.hasOwn(value, key) ? value[key] : undefined;
  if (typeof field !== "object" || field === null) {
    throw new RowProblem(`"${key}" is ${describe(field)}; expected {"A": "…", "B": "…"} or ["…", "…"]`);
  }
  const entries = Array.isArray(field)
    ? field.map((text, index): [string, unknown] => [String.fromCharCode(65 + index), text])
    : Object.entries(field);
  if (entries.length < 2 || entries.length > 26) {
    throw new RowProblem(`"${key}" has ${entries.length} entries; expected 2 to 26`);
  }
  const options: Record<string, string> = {};
  for (const [letter, text] of entries) {
    if (!/^[A-Z]$/.test(letter))
      throw new RowProblem(`"${key}" has the key ${describe(letter)}; expected one of A to Z`);
    if (typeof text !== "string" || text.trim() === "") {
      throw new RowProblem(`option ${letter} is ${text === "" ? "empty" : describe(text)}; expected text`);
    }
    options[letter] = text;
  }
  return options;
}

/** The answer's letter under `key`, which must be one of the options, whose text must be there only once. */
export function answerField(value: Record<string, unknown>, key: string, options: Record<string, string>): string {
  const letter = textField(value, key);
  const letters = Object.keys(options);
  if (!letters.includes(letter)) {
    throw new RowProblem(`"${key}" is ${describe(letter)}; expected one of ${letters.join(", ")}`);
  }
  const twin = letters.find((other) => other !== letter && options[other] === options[letter]);
  if (twin !== undefined) throw new RowProblem(`options ${letter} and ${twin} both have the text of the answer`);
  return letter;
}
