// What a repository holds at a revision, through the hub's own library.
import type { ListFileEntry } from "@huggingface/hub";
import { RlvrError } from "../errors.ts";
import { commitPattern } from "./cache.ts";
import type { HubClient } from "./hub-fetch.ts";
import type { HubFile, Repository } from "./repository.ts";

export interface Listing {
  readonly commit: string;
  readonly files: HubFile[];
}

/** The commit of a revision and its files. Throws RLVR_NETWORK, RLVR_NOT_FOUND, or RLVR_BAD_DATA for a strange answer. */
export async function listRepository(client: HubClient, repository: Repository): Promise<Listing> {
  const { listFiles, modelInfo, datasetInfo } = await import("@huggingface/hub");
  // The library brings the addresses and the paging; tries, token and refusals are the client's.
  const fetchHere: typeof fetch = async (input) => {
    const response = await client.ask(input instanceof Request ? input.url : input, repository, "listing the files");
    if (!response.ok) throw client.refusal(repository, response, "the list of files");
    return response;
  };
  const options = { hubUrl: client.settings.endpoint, fetch: fetchHere };
  const { type, id: name, revision } = repository;
  try {
    const question = { ...options, name, revision };
    const { sha } =
      type === "model"
        ? await modelInfo({ ...question, additionalFields: ["sha"] })
        : await datasetInfo({ ...question, additionalFields: ["sha"] });
    if (!commitPattern.test(sha)) throw new TypeError(`the commit is ${JSON.stringify(sha)}`);
    const files: HubFile[] = [];
    for await (const entry of listFiles({ ...options, repo: { type, name }, revision: sha, recursive: true })) {
      if (entry.type === "file") files.push(hubFile(entry));
    }
    return { commit: sha, files };
  } catch (error) {
    client.throwIfAborted();
    if (error instanceof RlvrError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RlvrError(
      "RLVR_BAD_DATA",
      `[hub] listing ${name} at ${client.settings.endpoint}: the answer is not a hub's (${reason}). Check HF_ENDPOINT.`,
      { cause: error },
    );
  }
}

function hubFile({ path, size, oid, lfs }: ListFileEntry): HubFile {
  return { path: String(path), size: lfs?.size ?? size, sha256: lfs?.oid, gitOid: String(oid) };
}
