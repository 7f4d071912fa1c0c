// A lock that names its holder: one process writes in a place at a time, and a second one is told who does.
import { readFileSync } from "node:fs";
import { rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { lock } from "proper-lockfile";
import { ioError, RlvrError } from "../errors.ts";
import { writeFileWhole } from "./files.ts";

export interface LockOptions {
  /** The folder that marks the lock, and the file that names its holder. */
  readonly lockfile: string;
  readonly holderFile: string;
  /** What a second process can do instead of waiting, such as "name another folder: output.dir=…". */
  readonly instead: string;
  readonly onMessage?: ((message: string) => void) | undefined;
}

const staleMs = 20_000;

/** Locks `target`, a folder or a file that exists, and gives what releases it. Throws RLVR_LOCKED with the holder. */
export async function lockPath(target: string, options: LockOptions): Promise<() => Promise<void>> {
  const { lockfile, holderFile, instead, onMessage = () => {} } = options;
  let release: () => Promise<void>;
  try {
    await endDeadHolder(target, options);
    release = await lock(target, {
      lockfilePath: lockfile,
      stale: staleMs,
      update: 5000,
      onCompromised: (error) =>
        onMessage(`the lock of ${target} was lost (${error.message}); is another run writing there?`),
    });
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ELOCKED"))
      throw ioError(`locking ${target}`, cause);
    const holder = readHolder(holderFile);
    const who =
      holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}, since ${holder.since}`;
    throw new RlvrError(
      "RLVR_LOCKED",
      `[run] ${target} is in use by ${who}. Wait for it, or ${instead} ` +
        `(a lock that nobody holds any more is taken over after ${staleMs / 1000} seconds)`,
      { cause },
    );
  }
  const holder: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  try {
    await writeFileWhole(holderFile, `${JSON.stringify(holder)}\n`);
  } catch (error) {
    await release();
    throw error;
  }
  return async () => {
    await rm(holderFile, { force: true });
    // A lock that was lost was reported when it happened; there is nothing left to release.
    await release().catch(() => {});
  };
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}

/** A lock whose process on this host is gone is marked stale at once, so that a resume need not wait. */
async function endDeadHolder(target: string, { lockfile, holderFile, onMessage }: LockOptions): Promise<void> {
  const holder = readHolder(holderFile);
  if (holder === undefined || holder.host !== hostname() || isAlive(holder.pid)) return;
  const isLocked = await stat(lockfile).then(
    () => true,
    () => false,
  );
  if (!isLocked) return;
  onMessage?.(`process ${holder.pid} had locked ${target} and is gone; its lock is taken over`);
  const longAgo = new Date(Date.now() - 10 * staleMs);
  await utimes(lockfile, longAgo, longAgo);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
