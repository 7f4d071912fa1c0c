// rlvr doctor: whether this machine can run the package; each check with its cause and one line of what to do.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, freemem, totalmem } from "node:os";
import { join } from "node:path";
import { embeddedModelPath } from "../config/load.ts";
import { exitStatus } from "../errors.ts";
import { nativeBinding } from "../native/binding.ts";
import type { CudaStatus } from "../native/types.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { bytes, type Console } from "./console.ts";

export interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "failure";
  readonly detail: string;
  readonly fix?: string | undefined;
}

export async function doctor(console: Console): Promise<number> {
  const checks: Check[] = [
    checkNode(process.versions.node),
    check("engine", "npm rebuild rlvr-node --build-from-source (needs a C++20 compiler, make and Python 3)", () => {
      const binding = nativeBinding();
      return `devices ${binding.backends().join(", ")}; instruction sets ${binding.cpuIsas().join(", ")}`;
    }),
    checkGpu(() => nativeBinding().cudaStatus(false)),
    { name: "cores", status: "ok", detail: `${availableParallelism()} usable` },
    checkMemory(freemem(), totalmem()),
    await checkAsync("embedded model", "reinstall the package, or make it again: npx rlvr pretrain", async () => {
      const path = embeddedModelPath();
      if (!existsSync(join(path, "model.safetensors"))) throw new Error(`${path} has no model.safetensors`);
      return `${path}, ${(await loadTokenizer(path)).vocabSize} tokens`;
    }),
    await checkAsync("working folder", "run from a folder that you may write to, or set output.dir", async () => {
      const folder = await mkdtemp(join(process.cwd(), ".rlvr-doctor-"));
      try {
        await writeFile(join(folder, "x"), "x");
      } finally {
        await rm(folder, { recursive: true });
      }
      return `${process.cwd()} can be written to`;
    }),
  ];
  const lines = checks.map(({ name, status, detail, fix }) => {
    const mark = { ok: "ok     ", warning: "warning", failure: "FAILED " }[status];
    return `${mark} ${name}: ${detail}${fix === undefined ? "" : `\n        → ${fix}`}`;
  });
  const isHealthy = checks.every(({ status }) => status !== "failure");
  console.result({ ok: isHealthy, checks }, lines.join("\n"));
  return isHealthy ? exitStatus.ok : exitStatus.environment;
}

/** A missing GPU is no fault: the processor is the default. A library that cannot be used is. */
export function checkGpu(inspect: () => CudaStatus): Check {
  const name = "GPU";
  try {
    const { usable, library, build, cublas, cards, problem } = inspect();
    if (usable) {
      const list = cards.map(
        (c) => `${c.name} (sm ${c.capability}, ${bytes(c.freeBytes)} free of ${bytes(c.totalBytes)})`,
      );
      return { name, status: "ok", detail: `${list.join(", ")}; ${build}; ${cublas}; used with model.device=cuda` };
    }
    if (library === "") return { name, status: "ok", detail: "not used: the CUDA library is not built", fix: problem };
    return { name, status: "warning", detail: `not used: ${library} finds no usable card`, fix: problem };
  } catch (error) {
    return { name, status: "warning", detail: error instanceof Error ? error.message : String(error) };
  }
}

/** Node.js 20.19 is the oldest that loads every dependency. */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNewEnough = major > 20 || (major === 20 && minor >= 19);
  const fix = isNewEnough ? undefined : "install Node.js 20.19 or newer";
  return { name: "Node.js", status: isNewEnough ? "ok" : "failure", detail: version, fix };
}

export function checkMemory(free: number, total: number): Check {
  const isTight = free < 1e9;
  const fix = isTight ? "close other programs; a run of the embedded model needs about 200 MB" : undefined;
  const detail = `${bytes(free)} free of ${bytes(total)}`;
  return { name: "memory", status: isTight ? "warning" : "ok", detail, fix };
}

function check(name: string, fix: string, run: () => string): Check {
  try {
    return { name, status: "ok", detail: run() };
  } catch (error) {
    return { name, status: "failure", detail: error instanceof Error ? error.message : String(error), fix };
  }
}

async function checkAsync(name: string, fix: string, run: () => Promise<string>): Promise<Check> {
  try {
    return { name, status: "ok", detail: await run() };
  } catch (error) {
    return { name, status: "failure", detail: error instanceof Error ? error.message : String(error), fix };
  }
}
