// The files of a repository that somebody needs, as a folder: from the cache, or downloaded first.
import { RlvrError } from "../errors.ts";
import { RepositoryCache } from "./cache.ts";
import { downloadFile } from "./download.ts";
import { defaultPatience, HubClient, type Patience } from "./hub-fetch.ts";
import { type Listing, listRepository } from "./listing.ts";
import { checkHubFile, type HubFile, type Repository } from "./repository.ts";
import { type HubSettings, hubSettings } from "./settings.ts";

export interface SnapshotOptions {
  readonly settings?: HubSettings;
  readonly patience?: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Bytes so far and in all, and the file that they are of. */
  readonly onProgress?: ((done: number, total: number, file: string) => void) | undefined;
  readonly onMessage?: ((message: string) => void) | undefined;
}

export interface Snapshot {
  /** The folder that holds the files under their paths. */
  readonly folder: string;
  readonly commit: string;
  /** Paths relative to the folder, sorted. */
  readonly files: string[];
}

/** Which of a repository's files are needed. Throws RlvrError when they cannot be used. */
export type ChooseFiles = (paths: readonly string[]) => readonly string[];

/**
 * Makes the chosen files of a repository present and gives their folder. With HF_HUB_OFFLINE, or when the hub cannot be
 * reached, what the cache has is used, if it has what is chosen. Throws RLVR_NOT_FOUND when offline without a copy, else
 * what listRepository and downloadFile throw.
 */
export async function hubSnapshot(
  repository: Repository,
  choose: ChooseFiles,
  options: SnapshotOptions = {},
): Promise<Snapshot> {
  const settings = options.settings ?? (await hubSettings());
  const cache = new RepositoryCache(settings.cache, repository);
  if (settings.isOffline) return await cachedSnapshot(cache, repository, choose, "HF_HUB_OFFLINE is set");
  const client = new HubClient(settings, options.patience ?? defaultPatience, options.signal);
  let listing: Listing;
  try {
    listing = await listRepository(client, repository);
  } catch (error) {
    if (!(error instanceof RlvrError && error.code === "RLVR_NETWORK")) throw error;
    const cached = await cachedSnapshot(cache, repository, choose, "").catch(() => undefined);
    if (cached === undefined) throw error;
    options.onMessage?.(`${error.message} The copy in the cache is used (commit ${cached.commit.slice(0, 8)}).`);
    return cached;
  }
  return await fetchSnapshot(client, cache, repository, listing, choose, options);
}

async function fetchSnapshot(
  client: HubClient,
  cache: RepositoryCache,
  repository: Repository,
  { commit, files }: Listing,
  choose: ChooseFiles,
  { onProgress }: SnapshotOptions,
): Promise<Snapshot> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const chosen = [...new Set(choose([...byPath.keys()]))].sort().map((path) => byPath.get(path) as HubFile);
  for (const file of chosen) checkHubFile(repository, file);
  const total = chosen.reduce((sum, file) => sum + file.size, 0);
  let before = 0;
  for (const file of chosen) {
    await downloadFile(client, cache, { repository, commit, file }, (count) =>
      onProgress?.(before + count, total, file.path),
    );
    await cache.link(commit, file);
    before += file.size;
  }
  await cache.remember(repository.revision, commit);
  return { folder: cache.snapshot(commit), commit, files: chosen.map((file) => file.path) };
}

async function cachedSnapshot(
  cache: RepositoryCache,
  repository: Repository,
  choose: ChooseFiles,
  why: string,
): Promise<Snapshot> {
  const commit = await cache.commitOf(repository.revision);
  const present = commit === undefined ? [] : await cache.files(commit);
  if (commit === undefined || present.length === 0) {
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[hub] ${repository.id} at ${repository.revision} is not in the cache ${cache.folder}, and ${why}. ` +
        "Unset it for one run to download, or name a local path.",
    );
  }
  const files = [...choose(present)].sort();
  return { folder: cache.snapshot(commit), commit, files };
}
