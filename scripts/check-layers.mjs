// Enforces the one-way rule: a folder uses only what stands to its left, and pure folders touch nothing outside.
//   node scripts/check-layers.mjs               checks the repository
//   node scripts/check-layers.mjs --self-test   plants violations in memory and fails unless each is found
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** C++ folders of native/ from left to right; folders of one entry do not use one another. "." is engine.h, engine.cc. */
const nativeOrder = [
  ["core"],
  ["io", "quant"],
  ["ops"],
  ["backends"],
  ["model"],
  ["generate", "train"],
  ["."],
  ["binding"],
];

/** TypeScript folders of src/ from left to right. "." is index.ts, which uses all but cli; nobody imports it. */
const sourceOrder = [
  ["errors.ts"],
  ["text"],
  ["data"],
  ["rewards"],
  ["grpo", "statistics"],
  ["native"],
  ["engine"],
  ["config"],
  ["run", "report", "embedded"],
  ["hub"],
  ["selection", "evaluation"],
  ["recipes"],
  ["."],
  ["cli"],
];

/** Folders that take text and numbers and give text and numbers; they import no module of Node's and nothing impure. */
const pureFolders = ["rewards", "grpo", "statistics", "report"];
const impureFolders = ["native", "engine", "run", "hub", "recipes", "cli"];
// node:crypto for digests only; its random numbers are refused below.
const nodeModulesOfPureFolders = new Set(["node:util", "node:assert", "node:crypto"]);

function rankIn(order, folder) {
  return order.findIndex((names) => names.includes(folder));
}

/** What is wrong with `file` (in folder `from`) using a file of folder `to`, or undefined. */
function wrongArrow(order, from, to) {
  if (from === to) return undefined;
  const [a, b] = [rankIn(order, from), rankIn(order, to)];
  if (a < 0) return `folder "${from}" has no place in the order`;
  if (b < 0) return `folder "${to}" has no place in the order`;
  return b < a ? undefined : `"${from}" may not use "${to}"`;
}

function topFolder(file) {
  const slash = file.indexOf("/");
  return slash < 0 ? "." : file.slice(0, slash);
}

/** Problems of one C++ file; `file` is relative to native/. */
function checkNativeFile(file, text) {
  const problems = [];
  const from = topFolder(file);
  for (const [, quote, target] of text.matchAll(/^\s*#\s*include\s*(["<])([^">]+)[">]/gm)) {
    if (quote === "<") {
      if (/^(napi|node_api|js_native_api)/.test(target) && from !== "binding") {
        problems.push(`includes <${target}>; only native/binding does`);
      }
      continue;
    }
    const wrong = wrongArrow(nativeOrder, from, topFolder(target));
    if (wrong !== undefined) problems.push(`includes "${target}": ${wrong}`);
    const [ownBackend, otherBackend] = [file, target].map((name) => /^backends\/([^/]+)\//.exec(name)?.[1]);
    if (ownBackend !== undefined && otherBackend !== undefined && ownBackend !== otherBackend) {
      problems.push(`includes "${target}": backends never include one another`);
    }
  }
  return problems;
}

function sourceFolder(file) {
  return file === "errors.ts" ? file : topFolder(file);
}

/** Problems of one TypeScript file; `file` is relative to src/. */
function checkSourceFile(file, text) {
  const problems = [];
  const from = sourceFolder(file);
  const pure = pureFolders.includes(from);
  for (const [, target] of text.matchAll(/(?:\bfrom|^\s*import|\bimport\s*\()\s*"([^"]+)"/gm)) {
    if (!target.startsWith(".")) {
      if (pure && target.startsWith("node:") && !nodeModulesOfPureFolders.has(target)) {
        problems.push(`imports ${target}: src/${from} is pure`);
      }
      continue;
    }
    const to = sourceFolder(path.posix.join(path.posix.dirname(file), target));
    const wrong = wrongArrow(sourceOrder, from, to);
    if (wrong !== undefined) problems.push(`imports "${target}": ${wrong}`);
    else if (pure && impureFolders.includes(to)) problems.push(`imports "${target}": src/${from} is pure`);
  }
  if (
    pure &&
    /\b(?:Date\.now|new Date\(\)|performance\.now|Math\.random|random(?:Bytes|UUID|Int)\(|process\.)/.test(text)
  ) {
    problems.push(`reads a clock, a random number or the process: src/${from} is pure`);
  }
  return problems;
}

function check(folder, extensions, checkFile) {
  const files = fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .map((file) => file.split(path.sep).join("/"))
    .filter((file) => extensions.some((extension) => file.endsWith(extension)))
    .sort();
  const problems = files.flatMap((file) =>
    checkFile(file, fs.readFileSync(path.join(root, folder, file), "utf8")).map(
      (problem) => `${folder}/${file} ${problem}`,
    ),
  );
  return { count: files.length, problems };
}

/** [checker, file, text, whether it must be refused] */
const planted = [
  [checkNativeFile, "core/tensor.h", '#include "ops/ops.h"\n', true],
  [checkNativeFile, "ops/ops.h", '#include "core/tensor.h"\n#include <cstdint>\n', false],
  [checkNativeFile, "io/gguf.cc", '#include "quant/codec.h"\n', true],
  [checkNativeFile, "train/train_step.cc", '#include "generate/generator.h"\n', true],
  [checkNativeFile, "backends/cpu/pack.cc", '#include "backends/reference/reference_backend.h"\n', true],
  [checkNativeFile, "backends/cpu/pack.cc", '#include "backends/backend.h"\n', false],
  [checkNativeFile, "engine.cc", "#include <napi.h>\n", true],
  [checkNativeFile, "binding/addon.cc", '#include <napi.h>\n#include "engine.h"\n', false],
  [checkNativeFile, "model/model.cc", '#include "engine.h"\n', true],
  [checkSourceFile, "grpo/advantages.ts", 'import { Policy } from "../engine/policy.ts";\n', true],
  [checkSourceFile, "rewards/paper.ts", 'import fs from "node:fs";\n', true],
  [checkSourceFile, "rewards/paper.ts", "export const now = () => Date.now();\n", true],
  [checkSourceFile, "rewards/paper.ts", 'import type { Question } from "../data/question.ts";\n', false],
  [checkSourceFile, "engine/policy.ts", 'export type { Thing } from "../recipes/grpo.ts";\n', true],
  [checkSourceFile, "recipes/grpo.ts", 'const cli = await import("../cli/main.ts");\n', true],
  [checkSourceFile, "recipes/grpo.ts", 'import { Policy } from "../engine/policy.ts";\n', false],
  [checkSourceFile, "newfolder/x.ts", 'import { Policy } from "../engine/policy.ts";\n', true],
];

function selfTest() {
  let failed = 0;
  for (const [checker, file, text, refused] of planted) {
    if (checker(file, text).length > 0 === refused) continue;
    failed += 1;
    process.stderr.write(
      `[layers] self-test: ${file} with ${JSON.stringify(text)} should be ${refused ? "refused" : "accepted"}\n`,
    );
  }
  process.stdout.write(`[layers] self-test: ${planted.length - failed} of ${planted.length} cases\n`);
  return failed;
}

let failures = 0;
if (process.argv.includes("--self-test")) {
  failures = selfTest();
} else {
  const results = [
    check("native", [".h", ".cc", ".cu", ".cuh"], checkNativeFile),
    check("src", [".ts"], checkSourceFile),
  ];
  const problems = results.flatMap((result) => result.problems);
  for (const problem of problems) process.stderr.write(`[layers] ${problem}\n`);
  process.stdout.write(
    `[layers] ${results[0].count} C++ and ${results[1].count} TypeScript files, ${problems.length} problems\n`,
  );
  failures = problems.length;
}
process.exitCode = failures > 0 ? 1 : 0;
