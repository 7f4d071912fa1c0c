// One file into the cache: continued where an earlier try stopped, checked by size and digest, visible when whole.
// Our own and not a download library: those that were looked at send the token on to wherever the hub redirects, or
// throw away what has arrived.
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { lock } from "proper-lockfile";
import { ioError, RlvrError } from "../errors.ts";
import { doing, makeFolder, syncPath } from "../run/files.ts";
import type { RepositoryCache } from "./cache.ts";
import { type HubClient, isBusy, reasonOf, retryAfterMs } from "./hub-fetch.ts";
import { fileAddress, type HubFile, type Repository } from "./repository.ts";

export interface FileRequest {
  readonly repository: Repository;
  readonly commit: string;
  readonly file: HubFile;
}

/**
 * Brings the content of a file into the cache unless it is there. `onBytes` gets what has arrived so far, first what an
 * earlier try left. Throws RLVR_NETWORK, RLVR_NOT_FOUND, RLVR_IO, or RLVR_BAD_DATA when the content is not what was listed.
 */
export async function downloadFile(
  client: HubClient,
  cache: RepositoryCache,
  request: FileRequest,
  onBytes: (count: number) => void = () => {},
): Promise<void> {
  const { file } = request;
  const blob = cache.blob(file);
  if (await cache.holds(file)) return onBytes(file.size);
  await makeFolder(dirname(blob));
  const partial = `${blob}.incomplete`;
  const release = await lockPartial(partial);
  try {
    if (await cache.holds(file)) return onBytes(file.size); // another process was faster
    for (let attempt = 1; ; ++attempt) {
      if (await isWhole(client, request, partial, onBytes)) break;
      await rm(partial, { force: true });
      if (attempt < 2) continue; // what an earlier try left may have been another file's
      throw new RlvrError(
        "RLVR_BAD_DATA",
        `[hub] ${request.repository.id}: ${file.path} arrived with another digest than listed, twice; it was removed. ` +
          "The server or a proxy changes files: check HF_ENDPOINT.",
      );
    }
    await doing(`publishing ${blob}`, async () => {
      await rename(partial, blob);
      await syncPath(dirname(blob));
    });
  } finally {
    await release();
  }
}

async function lockPartial(partial: string): Promise<() => Promise<void>> {
  try {
    return await lock(partial, {
      realpath: false,
      stale: 20_000,
      retries: { retries: 600, minTimeout: 1000, maxTimeout: 1000 },
    });
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ELOCKED"))
      throw ioError(`locking ${partial}`, cause);
    throw new RlvrError("RLVR_LOCKED", `[hub] another process is downloading ${basename(partial)}; wait for it`, {
      cause,
    });
  }
}

/** Fills `partial` to the file's size and says whether its digest is the listed one. */
async function isWhole(
  client: HubClient,
  request: FileRequest,
  partial: string,
  onBytes: (count: number) => void,
): Promise<boolean> {
  const { file } = request;
  const handle = await doing(`opening ${partial}`, () => open(partial, "a"));
  try {
    let size = (await handle.stat()).size;
    if (size > file.size) {
      await handle.truncate(0);
      size = 0;
    }
    const digest = newDigest(file);
    if (size > 0)
      for await (const piece of createReadStream(partial, { end: size - 1 })) digest.update(piece as Buffer);
    onBytes(size);
    const target: Target = { handle, digest, size, onBytes };
    await fill(client, request, target);
    await doing(`writing ${partial}`, () => handle.sync());
    return target.digest.digest("hex") === (file.sha256 ?? file.gitOid);
  } finally {
    await handle.close();
  }
}

interface Target {
  readonly handle: FileHandle;
  digest: Hash;
  size: number;
  readonly onBytes: (count: number) => void;
}

/** Requests the rest of the file until all is there; only tries that bring no byte are counted. */
async function fill(client: HubClient, request: FileRequest, target: Target): Promise<void> {
  const { repository, commit, file } = request;
  const what = `downloading ${file.path}`;
  for (let failed = 0; target.size < file.size; ) {
    const before = target.size;
    const outcome = await tryOnce(
      client,
      request,
      target,
      fileAddress(client.settings.endpoint, repository, commit, file.path),
    );
    if (target.size === file.size) return;
    failed = target.size > before ? 1 : failed + 1;
    if (failed >= client.patience.tries) throw client.networkError(repository, what, outcome.reason, failed);
    await client.rest(failed, outcome.waitMs);
  }
}

async function tryOnce(
  client: HubClient,
  { repository, file }: FileRequest,
  target: Target,
  address: string,
): Promise<{ reason: string; waitMs?: number | undefined }> {
  let watchdog: { feed(): void; stop(): void } | undefined;
  try {
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (target.size > 0) headers.range = `bytes=${target.size}-`;
    const answer = await client.once(address, headers);
    watchdog = answer.watchdog;
    const { response } = answer;
    if (isBusy(response.status)) {
      await response.body?.cancel();
      return { reason: `the server answered ${response.status}`, waitMs: retryAfterMs(response) };
    }
    if (response.status === 416 && target.size > 0) {
      await response.body?.cancel();
      await restart(target, file);
      return { reason: "the server refused to continue" };
    }
    if (!response.ok) throw client.refusal(repository, response, file.path);
    if (response.status !== 206 && target.size > 0) await restart(target, file); // it sends everything again
    checkSize(repository, file, response, target.size);
    for await (const piece of response.body ?? []) {
      answer.watchdog.feed();
      if (target.size + piece.length > file.size) {
        throw sizeError(repository, file, `at least ${target.size + piece.length}`);
      }
      await doing(`writing ${file.path}`, () => target.handle.appendFile(piece));
      target.digest.update(piece);
      target.size += piece.length;
      target.onBytes(target.size);
    }
    return { reason: `the connection ended at ${target.size} of ${file.size} bytes` };
  } catch (error) {
    client.throwIfAborted();
    if (error instanceof RlvrError) throw error;
    return { reason: reasonOf(error) };
  } finally {
    watchdog?.stop();
  }
}

async function restart(target: Target, file: HubFile): Promise<void> {
  await target.handle.truncate(0);
  target.digest = newDigest(file);
  target.size = 0;
  target.onBytes(0);
}

/** A server that announces another size than was listed has another file. */
function checkSize(repository: Repository, file: HubFile, response: Response, from: number): void {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (response.status === 206 && range !== null) {
    if (Number(range[1]) !== from) throw sizeError(repository, file, `a part from byte ${range[1]} instead of ${from}`);
    if (range[2] !== "*" && Number(range[2]) !== file.size) throw sizeError(repository, file, String(range[2]));
    return;
  }
  const length = response.headers.get("content-length");
  const isEncoded = (response.headers.get("content-encoding") ?? "identity") !== "identity";
  if (length !== null && !isEncoded && Number(length) !== file.size - from) {
    throw sizeError(repository, file, String(Number(length) + from));
  }
}

function sizeError(repository: Repository, file: HubFile, came: string): RlvrError {
  return new RlvrError(
    "RLVR_BAD_DATA",
    `[hub] ${repository.id}: ${file.path} was listed with ${file.size} bytes, but the server sends ${came}. ` +
      "Try again; if it stays so, check HF_ENDPOINT.",
  );
}

/** sha256 of the content, or git's blob id. */
function newDigest(file: HubFile): Hash {
  if (file.sha256 !== undefined) return createHash("sha256");
  return createHash("sha1").update(`blob ${file.size}\0`);
}
