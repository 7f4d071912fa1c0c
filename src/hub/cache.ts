// The cache that Python's hub library shares: blobs by digest, snapshots of links to them, refs from names to commits.
//   models--owner--name/refs/main                  the commit
//   models--owner--name/snapshots/<commit>/<path>  a link to ../../blobs/<digest>
import { copyFile, mkdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { doing, makeFolder, walkFolder, writeFileWhole } from "../run/files.ts";
import { blobName, type HubFile, type Repository } from "./repository.ts";

export const commitPattern = /^[0-9a-f]{40}$/;

export class RepositoryCache {
  readonly folder: string;

  constructor(cache: string, { type, id }: Repository) {
    this.folder = join(cache, `${type}s--${id.replaceAll("/", "--")}`);
  }

  blob(file: HubFile): string {
    return join(this.folder, "blobs", blobName(file));
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** The commit that a revision named when it was last looked up. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (commitPattern.test(revision)) return revision;
    const text = await readFile(join(this.folder, "refs", ...revision.split("/")), "utf8").catch(() => "");
    return commitPattern.test(text.trim()) ? text.trim() : undefined;
  }

  async remember(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const file = join(this.folder, "refs", ...revision.split("/"));
    await makeFolder(dirname(file));
    await writeFileWhole(file, commit);
  }

  /** Relative paths of the files in a snapshot whose content is here; none when there is no such snapshot. */
  async files(commit: string): Promise<string[]> {
    const folder = this.snapshot(commit);
    const { files } = await walkFolder(folder).catch(() => ({ files: [] as string[] }));
    const present: string[] = [];
    for (const file of files) {
      const found = await stat(file).catch(() => undefined); // follows the link; a broken one is no file
      if (found?.isFile()) present.push(relative(folder, file).replaceAll("\\", "/"));
    }
    return present;
  }

  /** Whether the whole content of a file is here. */
  async holds(file: HubFile): Promise<boolean> {
    const found = await stat(this.blob(file)).catch(() => undefined);
    return found?.isFile() === true && found.size === file.size;
  }

  /** Puts a file whose content is in the cache into a snapshot. */
  async link(commit: string, file: HubFile): Promise<void> {
    const target = join(this.snapshot(commit), ...file.path.split("/"));
    const blob = this.blob(file);
    await doing(`linking ${target}`, async () => {
      await mkdir(dirname(target), { recursive: true });
      await rm(target, { force: true });
      try {
        await symlink(relative(dirname(target), blob), target);
      } catch (error) {
        // File systems without links hold a copy, as Python's library does.
        if (!(error instanceof Error && "code" in error && (error.code === "EPERM" || error.code === "ENOSYS")))
          throw error;
        await copyFile(blob, target);
      }
    });
  }
}
