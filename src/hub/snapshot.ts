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

/** A repository at one commit: what it holds, and a way to bring some of it here. */
export interface OpenRepository {
  readonly folder: string;
  readonly commit: string;
  readonly paths: readonly string[];
  /** Makes these paths, which are among `paths`, present under `folder`. */
  bring(paths: readonly string[]): Promise<void>;
}

/** Which of a repository's files are needed. Throws RlvrError when they cannot be used. */
export type ChooseFiles = (paths: readonly string[]) => readonly string[];

/** Makes the chosen files of a repository present and gives their folder. Throws what openRepository and bring throw. */
export async function hubSnapshot(
  repository: Repository,
  choose: ChooseFiles,
  options: SnapshotOptions = {},
): Promise<Snapshot> {
  const { folder, commit, paths, bring } = await openRepository(repository, options);
  const files = [...new Set(choose(paths))].sort();
  await bring(files);
  return { folder, commit, files };
}

/**
 * Looks a repository up. With HF_HUB_OFFLINE, or when the hub cannot be reached, it is what the cache has of it. Throws
 * RLVR_NOT_FOUND when offline without a copy, else what listRepository and downloadFile throw.
 */
export async function openRepository(repository: Repository, options: SnapshotOptions = {}): Promise<OpenRepository> {
  const settings = options.settings ?? (await hubSettings());
  const cache = new RepositoryCache(settings.cache, repository);
  if (settings.isOffline) return await openCached(cache, repository, "HF_HUB_OFFLINE is set");
  const client = new HubClient(settings, options.patience ?? defaultPatience, options.signal);
  try {
    return openListed(client, cache, repository, await listRepository(client, repository), options);
  } catch (error) {
    if (!(error instanceof RlvrError && error.code === "RLVR_NETWORK")) throw error;
    const cached = await openCached(cache, repository, "").catch(() => undefined);
    if (cached === undefined) throw error;
    options.onMessage?.(`${error.message} The copy in the cache is used (commit ${cached.commit.slice(0, 8)}).`);
    return cached;
  }
}

function openListed(
  client: HubClient,
  cache: RepositoryCache,
  repository: Repository,
  { commit, files }: Listing,
  { onProgress }: SnapshotOptions,
): OpenRepository {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const bring = async (paths: readonly string[]) => {
    const chosen = paths.map((path) => byPath.get(path) as HubFile);
    for (const file of chosen) checkHubFile(repository, file);
    const total = chosen.reduce((sum, file) => sum + file.size, 0);
    let before = 0;
    for (const file of chosen) {
      const report = (count: number) => onProgress?.(before + count, total, file.path);
      await downloadFile(client, cache, { repository, commit, file }, report);
      await cache.link(commit, file);
      before += file.size;
    }
    await cache.remember(repository.revision, commit);
  };
  return { folder: cache.snapshot(commit), commit, paths: [...byPath.keys()], bring };
}

async function openCached(cache: RepositoryCache, repository: Repository, why: string): Promise<OpenRepository> {
  const commit = await cache.commitOf(repository.revision);
  const paths = commit === undefined ? [] : await cache.files(commit);
  if (commit === undefined || paths.length === 0) {
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[hub] ${repository.id} at ${repository.revision} is not in the cache ${cache.folder}, and ${why}. ` +
        "Unset it for one run to download, or name a local path.",
    );
  }
  return { folder: cache.snapshot(commit), commit, paths, bring: async () => {} };
}
