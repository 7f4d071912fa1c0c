// Files that are whole or absent: write beside, fsync, rename. Every refusal of the system becomes an RlvrError.
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ioError } from "../errors.ts";

/** Names that begin so belong to a write that has not finished; a later start removes them. */
export const temporaryPrefix = ".tmp-";

/** Runs `action`; a refusal of the operating system becomes RLVR_IO with what was being done. */
export async function doing<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const isRefusal = cause instanceof Error && "code" in cause && /^E[A-Z0-9]+$/.test(String(cause.code));
    throw isRefusal ? ioError(what, cause) : cause;
  }
}

/** Makes what was written to a file or a folder's entries durable. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems refuse to sync a folder; their entries are durable in another way or not at all.
    if (!(error instanceof Error && "code" in error && (error.code === "EINVAL" || error.code === "EPERM")))
      throw error;
  } finally {
    await handle.close();
  }
}

/** Replaces a file by `content`: after a crash the old or the new content is there, never a part. */
export async function writeFileWhole(file: string, content: string | Uint8Array): Promise<void> {
  await doing(`writing ${file}`, async () => {
    const temporary = join(dirname(file), `${temporaryPrefix}${basename(file)}-${process.pid}`);
    try {
      const handle = await open(temporary, "w");
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncPath(dirname(file));
  });
}

/**
 * Makes the folder `target` appear whole: `write` fills a temporary folder beside it; then fsync of every file and
 * folder, a rename, fsync of the parent. What was at `target` before is replaced.
 */
export async function publishFolder(target: string, write: (folder: string) => Promise<void>): Promise<void> {
  const parent = dirname(target);
  const temporary = join(parent, `${temporaryPrefix}${basename(target)}-${process.pid}`);
  await makeFolder(parent);
  try {
    await doing(`clearing ${temporary}`, () => rm(temporary, { recursive: true, force: true }));
    await makeFolder(temporary);
    await doing(`filling ${temporary}`, () => write(temporary));
    await doing(`publishing ${target}`, async () => {
      const { files, folders } = await walkFolder(temporary);
      for (const path of [...files, ...folders, temporary]) await syncPath(path);
      await removeFolder(target);
      await rename(temporary, target);
      await syncPath(parent);
    });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/** Removes a folder, if it is there: renamed first, so that a crash never leaves a part of it under its name. */
export async function removeFolder(folder: string): Promise<void> {
  const aside = join(dirname(folder), `${temporaryPrefix}removed-${basename(folder)}-${process.pid}`);
  try {
    await rename(folder, aside);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}

/** Every file and folder below `folder`, files sorted. */
export async function walkFolder(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    (entry.isDirectory() ? folders : files).push(join(entry.parentPath, entry.name));
  }
  return { files: files.sort(), folders };
}

/** Creates a folder and its parents. */
export async function makeFolder(folder: string): Promise<void> {
  await doing(`creating ${folder}`, async () => {
    await mkdir(folder, { recursive: true });
  });
}

/** The entries of a folder; none when it is not there. */
export async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw ioError(`listing ${folder}`, error);
  }
}

/** Removes what an interrupted write left in a folder; gives the names. */
export async function sweepTemporary(folder: string): Promise<string[]> {
  const left = (await listFolder(folder)).filter((name) => name.startsWith(temporaryPrefix));
  for (const name of left) {
    await doing(`removing ${join(folder, name)}`, () => rm(join(folder, name), { recursive: true, force: true }));
  }
  return left;
}

/** A JSON-lines file that grows by whole lines: an append that fails leaves the file as it was. */
export class JsonLinesFile {
  readonly #file: string;
  readonly #handle: FileHandle;
  #size: number;

  private constructor(file: string, handle: FileHandle, size: number) {
    this.#file = file;
    this.#handle = handle;
    this.#size = size;
  }

  /**
   * Opens or creates the file. Of what it holds, the leading whole lines that `isKept` accepts stay, and the rest is cut
   * off: rows that came after the checkpoint which a run resumes from.
   */
  static async open(file: string, isKept: (row: Record<string, unknown>) => boolean): Promise<JsonLinesFile> {
    return await doing(`opening ${file}`, async () => {
      const handle = await open(file, "a+");
      try {
        const content = await handle.readFile();
        const size = keptBytes(content, isKept);
        if (size < content.length) await handle.truncate(size);
        return new JsonLinesFile(file, handle, size);
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  }

  async append(rows: readonly object[]): Promise<void> {
    const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    await doing(`appending to ${this.#file}`, async () => {
      try {
        await this.#handle.appendFile(bytes);
      } catch (error) {
        await this.#handle.truncate(this.#size).catch(() => {});
        throw error;
      }
    });
    this.#size += bytes.length;
  }

  async sync(): Promise<void> {
    await doing(`syncing ${this.#file}`, () => this.#handle.sync());
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function keptBytes(content: Buffer, isKept: (row: Record<string, unknown>) => boolean): number {
  let kept = 0;
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, kept)) {
    let row: unknown;
    try {
      row = JSON.parse(content.toString("utf8", kept, end));
    } catch {
      return kept;
    }
    if (typeof row !== "object" || row === null || !isKept(row as Record<string, unknown>)) return kept;
    kept = end + 1;
  }
  return kept;
}
