// An append-only journal of answers: one JSON object a line, each with a key (which model, settings, protocol) and an id
// (which question). What is in it was paid for, so nothing that was written whole is ever dropped.
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { RlvrError } from "../errors.ts";
import { doing, JsonLinesFile, makeFolder } from "./files.ts";
import { lockPath } from "./lock.ts";

export interface JournalRecord {
  readonly key: string;
  readonly id: string;
}

export interface JournalOptions {
  readonly onMessage?: (message: string) => void;
}

/**
 * An open journal; only one process has it open at a time. Records of several keys may lie in one file.
 *
 * @example
 * await using journal = await Journal.open<AnswerRecord>("runs/baseline/answers.jsonl");
 * if (!journal.has(key, row.id)) await journal.append([await answer(row)]);
 */
export class Journal<T extends JournalRecord> implements AsyncDisposable {
  readonly file: string;
  readonly #lines: JsonLinesFile;
  readonly #ids: Map<string, Set<string>>;
  readonly #release: () => Promise<void>;
  #last: Promise<void> = Promise.resolve();

  private constructor(file: string, lines: JsonLinesFile, ids: Map<string, Set<string>>, release: () => Promise<void>) {
    this.file = file;
    this.#lines = lines;
    this.#ids = ids;
    this.#release = release;
  }

  /**
   * Opens or creates a journal. A last line that a crash has torn is cut off, which `onMessage` is told. Throws
   * RLVR_LOCKED while another process has it, RLVR_BAD_DATA for a damaged line before the last one, or for a pair of key
   * and id that occurs twice.
   */
  static async open<T extends JournalRecord>(file: string, options: JournalOptions = {}): Promise<Journal<T>> {
    const { onMessage = () => {} } = options;
    await makeFolder(dirname(file));
    await doing(`opening ${file}`, async () => await (await open(file, "a")).close());
    const release = await lockPath(file, {
      lockfile: `${file}.lock`,
      holderFile: `${file}.lock-holder.json`,
      instead: "choose another output folder",
      onMessage,
    });
    try {
      const ids = new Map<string, Set<string>>();
      let row = 0;
      for await (const { key, id } of readJournal(file, { onMessage })) {
        row += 1;
        if (remember(ids, key, id)) continue;
        throw damage(file, row, `has the key and id of an earlier line (${key}, ${id})`);
      }
      const lines = await JsonLinesFile.open(file, isRecord);
      return new Journal<T>(file, lines, ids, release);
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** How many records there are. */
  get size(): number {
    return [...this.#ids.values()].reduce((sum, ids) => sum + ids.size, 0);
  }

  has(key: string, id: string): boolean {
    return this.#ids.get(key)?.has(id) ?? false;
  }

  /**
   * Appends records, in the order of the calls; once it resolves they are on the disk. A record whose key and id are
   * there already is refused with RLVR_BAD_STATE, and with it the whole batch.
   */
  async append(records: readonly T[]): Promise<void> {
    const mine = this.#last.then(() => this.#append(records));
    this.#last = mine.catch(() => {});
    await mine;
  }

  async #append(records: readonly T[]): Promise<void> {
    const batch = new Map<string, Set<string>>();
    for (const { key, id } of records) {
      if (!this.has(key, id) && remember(batch, key, id)) continue;
      throw new RlvrError("RLVR_BAD_STATE", `[journal] ${this.file} already has a record of key ${key} and id ${id}`);
    }
    await this.#lines.append(records);
    for (const { key, id } of records) remember(this.#ids, key, id);
    await this.#lines.sync();
  }

  /** Every record, in the order in which they were appended. */
  records(): AsyncGenerator<T> {
    return readJournal<T>(this.file);
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#lines.close();
    await this.#release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function remember(ids: Map<string, Set<string>>, key: string, id: string): boolean {
  const known = ids.get(key) ?? new Set();
  ids.set(key, known);
  const isNew = !known.has(id);
  known.add(id);
  return isNew;
}

/**
 * The records of a journal, read one by one and without its lock; a torn last line is passed over, which `onMessage` is
 * told. Throws RLVR_NOT_FOUND without the file, RLVR_BAD_DATA for any other damaged line.
 */
export async function* readJournal<T extends JournalRecord>(
  file: string,
  { onMessage = () => {} }: JournalOptions = {},
): AsyncGenerator<T> {
  await stat(file).catch((cause: unknown) => {
    throw new RlvrError("RLVR_NOT_FOUND", `[journal] there is no ${file}; expected a journal of answers`, { cause });
  });
  let row = 0;
  let torn: { row: number; reason: string } | undefined;
  for await (const { text, isWhole } of linesOf(file)) {
    row += 1;
    if (torn !== undefined) throw damage(file, torn.row, torn.reason);
    const record = parseRecord<T>(text);
    if (typeof record === "string") torn = { row, reason: record };
    else if (isWhole) yield record;
    else torn = { row, reason: "lacks its line end" };
  }
  if (torn !== undefined) onMessage(`${file}: line ${torn.row}, which a crash had torn, is left out`);
}

function parseRecord<T extends JournalRecord>(text: string): T | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `is not JSON (${error instanceof Error ? error.message : String(error)})`;
  }
  return isRecord(value) ? (value as T) : 'lacks a text "key" or "id"';
}

function isRecord(value: unknown): boolean {
  const { key, id } = (value ?? {}) as Record<string, unknown>;
  return typeof key === "string" && typeof id === "string";
}

/** The lines of a file as text, whatever their length; only "\n" ends a line. The last one may lack it. */
async function* linesOf(file: string): AsyncGenerator<{ readonly text: string; readonly isWhole: boolean }> {
  let parts: Buffer[] = [];
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      yield { text: Buffer.concat(parts).toString(), isWhole: true };
      parts = [];
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) yield { text: Buffer.concat(parts).toString(), isWhole: false };
}

function damage(file: string, row: number, problem: string): RlvrError {
  return new RlvrError(
    "RLVR_BAD_DATA",
    `[journal] ${file}, line ${row}: ${problem}; expected one record with "key" and "id". ` +
      "Restore the file, or move it away to answer its questions again",
  );
}
