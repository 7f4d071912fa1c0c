// A repository of the hub by its id, and what a hub may call its files.
import { RlvrError } from "../errors.ts";

export interface Repository {
  readonly type: "model" | "dataset";
  /** "owner/name". */
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const idPattern = /^[\w][\w.-]*\/[\w][\w.-]*$/;
const revisionPattern = /^(?!.*\.\.)[\w][\w./-]*$/;

/** "owner/name" or "owner/name@revision" as a repository; undefined for any other text, such as a path. */
export function parseRepository(text: string, type: Repository["type"]): Repository | undefined {
  const at = text.indexOf("@");
  const id = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? "main" : text.slice(at + 1);
  if (!idPattern.test(id) || id.includes("..") || !revisionPattern.test(revision)) return undefined;
  return { type, id, revision };
}

/** The page of a repository, for people. */
export function repositoryPage(endpoint: string, { type, id }: Repository): string {
  return `${endpoint}/${type === "dataset" ? "datasets/" : ""}${id}`;
}

/** Where the bytes of a file are. */
export function fileAddress(endpoint: string, repository: Repository, commit: string, path: string): string {
  const parts = path.split("/").map(encodeURIComponent).join("/");
  return `${repositoryPage(endpoint, repository)}/resolve/${commit}/${parts}`;
}

/** A file as a hub lists it. */
export interface HubFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly size: number;
  /** Of a large file: of its content. Undefined for a small one. */
  readonly sha256: string | undefined;
  /** Of a small file: git's blob id, a sha1 over a header and the content. */
  readonly gitOid: string;
}

/** The name of a file's content in the cache. */
export function blobName(file: HubFile): string {
  return file.sha256 ?? file.gitOid;
}

/** Throws RLVR_BAD_DATA for a listed file that could leave its folder, or whose size or digest is not one. */
export function checkHubFile(repository: Repository, file: HubFile): void {
  const isBadPath =
    file.path === "" ||
    /[\\\0:]/.test(file.path) ||
    file.path.split("/").some((part) => part === "" || part === "." || part === "..");
  const digest = file.sha256 === undefined ? /^[0-9a-f]{40}$/.test(file.gitOid) : /^[0-9a-f]{64}$/.test(file.sha256);
  if (!isBadPath && digest && Number.isSafeInteger(file.size) && file.size >= 0) return;
  const what = isBadPath ? "a name that could leave its folder" : "no usable size or digest";
  throw new RlvrError(
    "RLVR_BAD_DATA",
    `[hub] ${repository.id} lists the file ${JSON.stringify(file.path)} with ${what}; nothing was downloaded. ` +
      "Check the id and HF_ENDPOINT.",
  );
}
