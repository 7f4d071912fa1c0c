// The peers, fetched and built through package registries into a folder of their own; what is there already is used.
//
// RLVR_BENCH_CACHE, else rlvr-node/bench in the user's cache folder, holds
//   venv/              Python with test/golden/requirements.txt: torch, transformers, PEFT, TRL
//   llama.cpp/build/   llama.cpp from the source package of llama-cpp-python, built for this processor
//   models/            the models in other forms: NAME-TYPE.gguf for llama.cpp, NAME-hf for transformers
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { fetchModel } from "../../scripts/fetch-models.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const requirements = path.join(here, "../../test/golden/requirements.txt");
const LLAMA_SOURCE = "llama-cpp-python==0.3.36";
const LLAMA_TOOLS = ["llama-bench", "llama-batched-bench", "llama-quantize"];

/** A peer that cannot be had; its goals are unknown, not met. */
export class MissingPeer extends Error {}

export function cacheFolder(env = process.env) {
  return env.RLVR_BENCH_CACHE || path.join(env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "rlvr-node", "bench");
}

/** Runs a step of getting a peer; its output goes to stderr. */
function step(what, command, args, options = {}) {
  console.error(`[bench] ${what}: ${path.basename(command)} ${args.join(" ")}`);
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", 2, 2], ...options });
  if (status !== 0) throw new MissingPeer(`${what} failed (${error?.message ?? `status ${status}`})`);
}

/** Versions of packages in the Python at `python`, or undefined where there is none. */
function versionsOf(python, packages) {
  const code =
    "import json, sys; from importlib.metadata import version, PackageNotFoundError\n" +
    "def found(name):\n    try: return version(name)\n    except PackageNotFoundError: return None\n" +
    "print(json.dumps({name: found(name) for name in sys.argv[1:]}))";
  const { status, stdout } = spawnSync(python, ["-c", code, ...packages], { encoding: "utf8" });
  return status === 0 ? JSON.parse(stdout) : undefined;
}

export class Peers {
  #made = new Map();

  constructor(folder = cacheFolder()) {
    this.folder = folder;
  }

  /** Each thing is made or found once; a failure stays one. */
  #once(name, make) {
    if (!this.#made.has(name)) {
      try {
        this.#made.set(name, { value: make() });
      } catch (error) {
        if (!(error instanceof MissingPeer)) throw error;
        console.error(`[bench] missing: ${error.message}`);
        this.#made.set(name, { error });
      }
    }
    const { value, error } = this.#made.get(name);
    if (error) throw error;
    return value;
  }

  /** { python, versions } of a Python with torch, transformers, PEFT and TRL as pinned. */
  python() {
    return this.#once("python", () => {
      const python = path.join(this.folder, "venv/bin/python");
      const pinned = Object.fromEntries(
        readFileSync(requirements, "utf8")
          .split("\n")
          .filter((line) => line.includes("=="))
          .map((line) => line.trim().split("==")),
      );
      if (!existsSync(python)) {
        step("Python environment", "python3", ["-m", "venv", path.join(this.folder, "venv")]);
      }
      // A local build such as 2.13.0+cpu is that version.
      const isRight = (versions) =>
        Object.entries(pinned).every(([name, version]) => versions?.[name]?.split("+")[0] === version);
      let versions = versionsOf(python, Object.keys(pinned));
      if (!isRight(versions)) {
        step("Python peers", python, ["-m", "pip", "install", "--quiet", "-r", requirements]);
        versions = versionsOf(python, Object.keys(pinned));
        if (!isRight(versions)) throw new MissingPeer(`Python peers: ${JSON.stringify(versions)} are installed`);
      }
      return { python, versions };
    });
  }

  /** { bin, version }: the folder of llama.cpp's tools. */
  llama() {
    return this.#once("llama.cpp", () => {
      const bin = path.join(this.folder, "llama.cpp/build/bin");
      if (!LLAMA_TOOLS.every((tool) => existsSync(path.join(bin, tool)))) this.#buildLlama();
      return { bin, version: LLAMA_SOURCE };
    });
  }

  /** Versions of the peers that were used. */
  versions() {
    const python = this.#made.get("python")?.value?.versions ?? {};
    const names = ["torch", "transformers", "peft", "trl"].filter((name) => python[name]);
    const llama = this.#made.get("llama.cpp")?.value;
    return {
      ...Object.fromEntries(names.map((name) => [name, python[name]])),
      ...(llama ? { "llama.cpp": `of ${llama.version}` } : {}),
    };
  }

  #buildLlama() {
    const what = "llama.cpp";
    const folder = path.join(this.folder, "llama.cpp");
    const source = path.join(folder, "source");
    const { python } = this.python();
    const vendored = () =>
      path.join(
        source,
        readdirSync(source).find((name) => /^llama_cpp_python-.*\d$/.test(name)),
      );
    if (!existsSync(source)) {
      const download = `${source}.part`;
      rmSync(download, { recursive: true, force: true });
      mkdirSync(download, { recursive: true });
      // pip asks the package's build backend for its name before it keeps a source package, so the backend must be there.
      step(what, python, ["-m", "pip", "install", "--quiet", "scikit-build-core", "cmake", "ninja"]);
      const options = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--dest", download];
      step(what, python, ["-m", "pip", "download", "--quiet", ...options, LLAMA_SOURCE]);
      const archive = readdirSync(download).find((name) => name.endsWith(".tar.gz"));
      step(what, "tar", ["xzf", path.join(download, archive), "-C", download]);
      renameSync(download, source);
    }
    const tools = { ...process.env, PATH: `${path.dirname(python)}${path.delimiter}${process.env.PATH}` };
    const off = ["LLAMA_CURL", "LLAMA_BUILD_UI", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_SERVER"].map(
      (name) => `-D${name}=OFF`,
    );
    const build = path.join(folder, "build");
    const configure = ["-B", build, "-S", path.join(vendored(), "vendor/llama.cpp"), "-G", "Ninja"];
    const best = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DGGML_OPENMP=ON"];
    step(what, "cmake", [...configure, ...best, ...off], { env: tools });
    step(what, "cmake", ["--build", build, "--parallel", String(availableParallelism()), "--target", ...LLAMA_TOOLS], {
      env: tools,
    });
  }

  /** The model as shipped; fetched when it is not there. */
  async shipped(model) {
    try {
      return (await fetchModel(model)).path;
    } catch (error) {
      throw new MissingPeer(`the model ${model}: ${error.message}`);
    }
  }

  /** A GGUF file of another type. Requantised from what was quantised already: for its speed, not for its answers. */
  requantised(model, shipped, type) {
    return this.#once(`${model} ${type}`, () => {
      const file = path.join(this.folder, "models", `${model}-${type}.gguf`);
      if (existsSync(file)) return file;
      const { bin } = this.llama();
      mkdirSync(path.dirname(file), { recursive: true });
      const part = `${file}.part`;
      step(`${model} as ${type}`, path.join(bin, "llama-quantize"), ["--allow-requantize", shipped, part, type, "2"]);
      renameSync(part, file);
      return file;
    });
  }

  /** The model as a float32 folder that transformers reads, with the values of the shipped file. */
  dump(model, shipped) {
    return this.#once(`${model} folder`, () => {
      const folder = path.join(this.folder, "models", `${model}-hf`);
      if (existsSync(path.join(folder, "config.json"))) return folder;
      mkdirSync(path.dirname(folder), { recursive: true });
      const part = `${folder}.part`;
      rmSync(part, { recursive: true, force: true });
      step(`${model} for transformers`, this.python().python, [path.join(here, "hf_dump.py"), shipped, part]);
      renameSync(part, folder);
      return folder;
    });
  }
}
