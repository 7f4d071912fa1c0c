import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelFiles } from "../../../src/hub/model-files.ts";
import { parseRepository, type Repository } from "../../../src/hub/repository.ts";
import { type HubSettings, hubSettings } from "../../../src/hub/settings.ts";
import { hubSnapshot, type SnapshotOptions } from "../../../src/hub/snapshot.ts";
import { commit, cutAfter, HubServer, type ServedFile, sendContent, sendJson } from "./hub-server.ts";

const repository: Repository = { type: "model", id: "owner/name", revision: "main" };
const patience = { tries: 3, waitMs: 1, longestWaitMs: 20, silenceMs: 20_000 };
const content = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 31) & 255));
const large: ServedFile = { path: "model.safetensors", content, isLarge: true };
const small: ServedFile = { path: "config.json", content: Buffer.from("{}") };
const everything = (paths: readonly string[]) => paths;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "rlvr-hub-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function settingsFor(endpoint: string, rest: Partial<HubSettings> = {}): HubSettings {
  return { endpoint, cache: root, token: undefined, tokenFile: join(root, "token"), isOffline: false, ...rest };
}

function snapshot(
  server: HubServer,
  options: SnapshotOptions & { rest?: Partial<HubSettings> } = {},
  choose = everything,
) {
  const { rest, ...others } = options;
  return hubSnapshot(repository, choose, { settings: settingsFor(server.address, rest), patience, ...others });
}

const blobs = () => readdirSync(join(root, "models--owner--name", "blobs"));

describe("a snapshot", () => {
  test("has the cache's layout: blobs by digest, links in the snapshot, the commit under refs", async () => {
    await using server = await HubServer.start([large, small, { path: "sub/a b.txt", content: Buffer.from("x") }]);
    const { folder, files } = await snapshot(server);
    expect(files).toEqual(["config.json", "model.safetensors", "sub/a b.txt"]);
    expect(readFileSync(join(folder, "model.safetensors")).equals(content)).toBe(true);
    expect(readFileSync(join(folder, "sub/a b.txt"), "utf8")).toBe("x");
    expect(lstatSync(join(folder, "config.json")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(root, "models--owner--name/refs/main"), "utf8")).toBe(commit);
    // git hash-object of "{}" and sha256sum of the large file
    expect(blobs()).toContain("9e26dfeeb6e641a33dae4961196235bdb965b21b");
    expect(blobs().filter((name) => name.length === 64)).toHaveLength(1);
    expect(blobs().filter((name) => name.includes("incomplete"))).toEqual([]);
  });

  test("is not downloaded again", async () => {
    await using server = await HubServer.start([large, small]);
    await snapshot(server);
    const before = server.downloads.length;
    await snapshot(server);
    expect(server.downloads).toHaveLength(before);
  });

  test("holds only the files that were chosen", async () => {
    const unused = { path: "pytorch_model.bin", content: Buffer.from("no") };
    await using server = await HubServer.start([large, small, unused]);
    const { files } = await snapshot(server, {}, modelFiles("owner/name"));
    expect(files).toEqual(["config.json", "model.safetensors"]);
    expect(server.downloads.some(({ url }) => url.includes("pytorch"))).toBe(false);
  });

  test("reports bytes up to the total", async () => {
    await using server = await HubServer.start([large, small]);
    const seen: number[] = [];
    let all = 0;
    await snapshot(server, {
      onProgress: (done, total) => {
        seen.push(done);
        all = total;
      },
    });
    expect(all).toBe(content.length + 2);
    expect(seen.at(-1)).toBe(all);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });
});

describe("a connection that is cut", () => {
  test("is continued from the byte where it ended", async () => {
    await using server = await HubServer.start([large]);
    server.misbehave = cutAfter(30_000);
    const { folder } = await snapshot(server);
    expect(readFileSync(join(folder, large.path)).equals(content)).toBe(true);
    const ranges = server.downloads.map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ""))).toBe(true);
  });

  test("for good keeps what has arrived, shows nothing, and a later call continues", async () => {
    await using server = await HubServer.start([large]);
    let isDead = false;
    server.misbehave = (request, response, file) => {
      if (file === undefined) return false;
      if (isDead) {
        response.destroy();
        return true;
      }
      isDead = true;
      return cutAfter(40_000)(request, response, file);
    };
    await expect(snapshot(server)).rejects.toMatchObject({
      code: "RLVR_NETWORK",
      message: expect.stringContaining("kept"),
    });
    expect(blobs().every((name) => name.endsWith(".incomplete"))).toBe(true);
    server.misbehave = () => false;
    server.seen.length = 0;
    const { folder } = await snapshot(server);
    expect(readFileSync(join(folder, large.path)).equals(content)).toBe(true);
    expect(server.downloads.map(({ range }) => range)).toEqual([expect.stringMatching(/^bytes=[1-9]/)]);
  });

  test("and a server that does not know ranges sends the file again from its start", async () => {
    await using server = await HubServer.start([large]);
    let count = 0;
    server.misbehave = (request, response, file) => {
      if (file === undefined) return false;
      count += 1;
      if (count === 1) return cutAfter(30_000)(request, response, file);
      response.writeHead(200, { "content-length": file.content.length }).end(file.content);
      return true;
    };
    const { folder } = await snapshot(server);
    expect(readFileSync(join(folder, large.path)).equals(content)).toBe(true);
  });

  test("or silent is given up after a while and tried again", async () => {
    await using server = await HubServer.start([large]);
    let count = 0;
    server.misbehave = (_request, response, file) => {
      if (file === undefined || ++count > 1) return false;
      response.writeHead(200, { "content-length": file.content.length });
      response.write(file.content.subarray(0, 10));
      return true;
    };
    const { folder } = await snapshot(server, { patience: { ...patience, silenceMs: 300 } });
    expect(readFileSync(join(folder, large.path)).equals(content)).toBe(true);
  });

  test("by the caller's signal ends with its reason", async () => {
    await using server = await HubServer.start([large]);
    const abort = new AbortController();
    server.misbehave = (_request, response, file) => {
      if (file === undefined) return false;
      response.writeHead(200, { "content-length": file.content.length });
      response.write(file.content.subarray(0, 10), () => abort.abort(new Error("enough")));
      return true;
    };
    await expect(snapshot(server, { signal: abort.signal })).rejects.toThrow("enough");
  });
});

describe("a server that lies", () => {
  test("about a size in its list is found out", async () => {
    await using server = await HubServer.start([{ ...large, listedSize: 99 }]);
    await expect(snapshot(server)).rejects.toMatchObject({
      code: "RLVR_BAD_DATA",
      message: expect.stringContaining("listed with 99 bytes"),
    });
    expect(blobs().filter((name) => !name.endsWith(".incomplete"))).toEqual([]);
  });

  test("by sending more than it announced is found out", async () => {
    await using server = await HubServer.start([large]);
    server.misbehave = (_request, response, file) => {
      if (file === undefined) return false;
      response.writeHead(200, { "transfer-encoding": "chunked" }).end(Buffer.concat([file.content, Buffer.alloc(9)]));
      return true;
    };
    await expect(snapshot(server)).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
  });

  test.each([large, small])("about the content of $path is found out by the digest", async (file) => {
    await using server = await HubServer.start([file]);
    server.misbehave = (request, response, asked) => {
      if (asked === undefined) return false;
      const changed = Buffer.from(asked.content);
      changed[0] = (changed[0] ?? 0) ^ 1;
      sendContent(request, response, changed);
      return true;
    };
    await expect(snapshot(server)).rejects.toMatchObject({
      code: "RLVR_BAD_DATA",
      message: expect.stringContaining("another digest"),
    });
    expect(blobs()).toEqual([]);
  });

  test("once only: a damaged rest of an earlier try is replaced", async () => {
    await using server = await HubServer.start([small]);
    const partial = join(root, "models--owner--name/blobs/9e26dfeeb6e641a33dae4961196235bdb965b21b.incomplete");
    mkdirSync(dirname(partial), { recursive: true });
    writeFileSync(partial, "X");
    const { folder } = await snapshot(server);
    expect(readFileSync(join(folder, small.path), "utf8")).toBe("{}");
  });

  test.each(["../../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:evil", "a//b", "nul\0evil", "./evil"])(
    "about a file's name, %j, writes nothing",
    async (path) => {
      await using server = await HubServer.start([small]);
      server.misbehave = (request, response) => {
        if (!request.url?.includes("/tree/")) return false;
        sendJson(response, [{ type: "file", path, size: 2, oid: "9e26dfeeb6e641a33dae4961196235bdb965b21b" }]);
        return true;
      };
      await expect(snapshot(server)).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
      expect(server.downloads).toEqual([]);
    },
  );

  test.each([{ oid: "../../../evil" }, { oid: 5 }, { size: -1 }, { size: "2" }, { lfs: { oid: "x", size: 2 } }])(
    "about a digest or a size, %j, writes nothing",
    async (lie) => {
      await using server = await HubServer.start([small]);
      server.misbehave = (request, response) => {
        if (!request.url?.includes("/tree/")) return false;
        sendJson(response, [
          { type: "file", path: "a", size: 2, oid: "9e26dfeeb6e641a33dae4961196235bdb965b21b", ...lie },
        ]);
        return true;
      };
      await expect(snapshot(server)).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
      expect(server.downloads).toEqual([]);
    },
  );

  test.each(["<html>", '{"sha":"../../x"}', "[]", "null"])("by answering %j is no hub", async (answer) => {
    await using server = await HubServer.start([small]);
    server.misbehave = (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(answer);
      return true;
    };
    await expect(snapshot(server)).rejects.toMatchObject({ code: "RLVR_BAD_DATA" });
  });
});

describe("a refusal", () => {
  const refuse = async (status: number, headers: Record<string, string>, rest: Partial<HubSettings> = {}) => {
    await using server = await HubServer.start([small]);
    server.misbehave = (_request, response) => {
      response.writeHead(status, headers).end();
      return true;
    };
    const error = await snapshot(server, { rest }).catch((caught: unknown) => caught);
    return { error, requests: server.seen.length };
  };

  test.each([401, 403])("of a gated repository (%i) says what to accept and where to put the token", async (status) => {
    const { error, requests } = await refuse(status, { "x-error-code": "GatedRepo" });
    expect(error).toMatchObject({ code: "RLVR_NETWORK" });
    expect(String(error)).toMatch(/owner\/name is gated.*Accept its terms at http.*owner\/name.*HF_TOKEN.*token/s);
    expect(requests).toBe(1); // another try would not help
  });

  test("of a gated repository never shows the token", async () => {
    const { error } = await refuse(403, { "x-error-code": "GatedRepo" }, { token: "hf_canary" });
    expect(String(error)).toContain("no access yet");
    expect(JSON.stringify(error) + String(error)).not.toContain("canary");
  });

  test("with 401 says that no token was sent", async () => {
    expect(String((await refuse(401, {})).error)).toContain("no token was sent");
  });

  test.each([
    ["RepoNotFound", "there is no model owner/name"],
    ["RevisionNotFound", "no revision main"],
  ])("with 404 %s names what is missing", async (code, words) => {
    const { error, requests } = await refuse(404, { "x-error-code": code });
    expect(error).toMatchObject({ code: "RLVR_NOT_FOUND", message: expect.stringContaining(words) });
    expect(requests).toBe(1);
  });

  test.each([429, 500, 503])("with %i is tried again a few times", async (status) => {
    const { error, requests } = await refuse(status, {});
    expect(error).toMatchObject({ code: "RLVR_NETWORK", message: expect.stringContaining(`answered ${status}`) });
    expect(requests).toBe(patience.tries);
  });

  test("with 429 waits as long as the server asks", async () => {
    await using server = await HubServer.start([small]);
    const times: number[] = [];
    server.misbehave = (_request, response) => {
      times.push(performance.now());
      if (times.length > 1) return false;
      response.writeHead(429, { "retry-after": "1" }).end();
      return true;
    };
    await snapshot(server, { patience: { ...patience, longestWaitMs: 5000 } });
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(990);
  });
});

describe("the token", () => {
  test("goes to the endpoint and not to where it redirects", async () => {
    await using elsewhere = await HubServer.start([large]);
    await using server = await HubServer.start([large]);
    server.misbehave = (_request, response, file) => {
      if (file === undefined) return false;
      response.writeHead(302, { location: `${elsewhere.address}/x/resolve/main/${file.path}` }).end();
      return true;
    };
    elsewhere.misbehave = cutAfter(50_000);
    await snapshot(server, { rest: { token: "hf_canary" } });
    expect(server.seen.every(({ authorization }) => authorization === "Bearer hf_canary")).toBe(true);
    expect(elsewhere.seen.length).toBeGreaterThan(1);
    expect(elsewhere.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });
});

describe("without the hub", () => {
  test("offline, the cache answers and nothing is asked", async () => {
    await using server = await HubServer.start([large, small]);
    await snapshot(server);
    server.seen.length = 0;
    const { files } = await snapshot(server, { rest: { isOffline: true } }, modelFiles("owner/name"));
    expect(files).toEqual(["config.json", "model.safetensors"]);
    expect(server.seen).toEqual([]);
  });

  test("offline, what the cache lacks is an error that says so", async () => {
    await using server = await HubServer.start([]);
    await expect(snapshot(server, { rest: { isOffline: true } })).rejects.toMatchObject({
      code: "RLVR_NOT_FOUND",
      message: expect.stringContaining("HF_HUB_OFFLINE"),
    });
  });

  test("unreachable, the cached copy is used and said", async () => {
    const server = await HubServer.start([small]);
    const settings = settingsFor(server.address);
    await snapshot(server);
    await server[Symbol.asyncDispose]();
    const messages: string[] = [];
    const again = await hubSnapshot(repository, everything, {
      settings,
      patience,
      onMessage: (text) => messages.push(text),
    });
    expect(again.files).toEqual(["config.json"]);
    expect(messages[0]).toContain("copy in the cache");
  });

  test("a snapshot whose blob is gone does not count as cached", async () => {
    await using server = await HubServer.start([small]);
    await snapshot(server);
    rmSync(join(root, "models--owner--name", "blobs"), { recursive: true });
    await expect(snapshot(server, { rest: { isOffline: true } })).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
  });
});

test("two calls at a time download a file once", async () => {
  await using server = await HubServer.start([large]);
  await Promise.all([snapshot(server), snapshot(server)]);
  expect(server.downloads).toHaveLength(1);
});

describe("hubSettings", () => {
  test("follow the variables of Python's library", async () => {
    expect(await hubSettings({ XDG_CACHE_HOME: "/x" })).toMatchObject({
      endpoint: "https://huggingface.co",
      cache: "/x/huggingface/hub",
      tokenFile: "/x/huggingface/token",
      isOffline: false,
    });
    expect(await hubSettings({ HF_HOME: "/h", HF_HUB_OFFLINE: "1", HF_ENDPOINT: "http://m.test/" })).toMatchObject({
      endpoint: "http://m.test",
      cache: "/h/hub",
      isOffline: true,
    });
    expect(await hubSettings({ HF_HOME: "/h", HF_HUB_CACHE: "/c" })).toMatchObject({ cache: "/c" });
  });

  test("take the token from the variable, else from its file", async () => {
    writeFileSync(join(root, "token"), "hf_file\n");
    expect((await hubSettings({ HF_HOME: root })).token).toBe("hf_file");
    expect((await hubSettings({ HF_HOME: root, HF_TOKEN: "hf_env" })).token).toBe("hf_env");
  });

  test("refuse an endpoint that is no address", async () => {
    await expect(hubSettings({ HF_ENDPOINT: "hub.test" })).rejects.toMatchObject({ code: "RLVR_BAD_CONFIG" });
  });
});

test("an id is told from a path", () => {
  expect(parseRepository("google/gemma-3-12b-it", "model")).toEqual({
    type: "model",
    id: "google/gemma-3-12b-it",
    revision: "main",
  });
  expect(parseRepository("a/b@refs/pr/1", "model")?.revision).toBe("refs/pr/1");
  for (const path of ["./a/b", "/a/b", "a", "a/b/c", "../b", "a/..", "a/b@../x", "a/b@", "models/x.gguf/"]) {
    expect(parseRepository(path, "model"), path).toBeUndefined();
  }
});

describe("modelFiles", () => {
  const choose = modelFiles("o/n");
  test("take every shard and the index, and leave other formats", () => {
    const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const needed = ["config.json", "tokenizer.json", "model.safetensors.index.json", ...shards];
    expect(choose([...needed, "README.md", "original/model.pth", "onnx/model.onnx"])).toEqual(needed);
  });
  test("refuse a repository without safetensors", () => {
    expect(() => choose(["config.json", "pytorch_model.bin"])).toThrow(/has no config.json with model.safetensors/);
  });
});
