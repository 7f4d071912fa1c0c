import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { localModel } from "../../../src/hub/hub-model.ts";
import { HubServer } from "./hub-server.ts";

const folder = () => {
  const made = mkdtempSync(join(tmpdir(), "rlvr-hub-model-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
};

test("a path that exists stays as it is, though it reads like an id", async () => {
  const here = join(folder(), "a");
  mkdirSync(here);
  expect(await localModel(here)).toBe(here);
  expect(await localModel("models/quickstart")).toBe("models/quickstart");
});

test("a path that does not exist is refused with the option that names it and the command that brings a model", async () => {
  await expect(localModel("./no/such.gguf")).rejects.toMatchObject({
    code: "RLVR_NOT_FOUND",
    message: expect.stringMatching(/there is no \.\/no\/such\.gguf; .*rlvr download owner\/name.*model\.path/s),
  });
});

test("an id becomes the folder of its files, and the hub is asked once a process", async () => {
  await using server = await HubServer.start([
    { path: "config.json", content: Buffer.from("{}") },
    { path: "model.safetensors", content: Buffer.from("weights"), isLarge: true },
  ]);
  const settings = { endpoint: server.address, cache: folder(), token: undefined, tokenFile: "t", isOffline: false };
  const model = await localModel("some-owner/some-model", { settings });
  expect(readFileSync(join(model, "model.safetensors"), "utf8")).toBe("weights");
  const requests = server.seen.length;
  expect(await localModel("some-owner/some-model", { settings })).toBe(model);
  expect(server.seen).toHaveLength(requests);
});

test("a failure names both readings of the text", async () => {
  const settings = {
    endpoint: "http://127.0.0.1:9",
    cache: folder(),
    token: undefined,
    tokenFile: "t",
    isOffline: true,
  };
  await expect(localModel("no-owner/no-model", { settings })).rejects.toThrow(
    /not in the cache[\s\S]*no file or folder no-owner\/no-model here/,
  );
});
