// `npm run lint`: biome, tsc, clang-format 14, the layer rule, the list of sources. `--fix` (npm run tidy) formats
// TypeScript and C++ instead of reporting. Without clang-format the C++ layout is not checked, except with CI=true,
// where that is a failure: pip install clang-format==14.0.6
import fs from "node:fs";
import path from "node:path";
import { exists, packageBin, root, run } from "./run.mjs";

const fix = process.argv.includes("--fix");
const node = (script, ...args) => run(process.execPath, [script, ...args]);

function cppFiles() {
  return ["native", "test/native", "bench/native"].flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true })
      .filter((file) => /\.(h|cc|cu|cuh)$/.test(file))
      .map((file) => path.join(folder, file)),
  );
}

function clangFormat() {
  const command = process.env.CLANG_FORMAT ?? ["clang-format-14", "clang-format"].find(exists);
  if (command === undefined) {
    process.stderr.write(
      "[lint] clang-format is not there; C++ layout not checked (pip install clang-format==14.0.6)\n",
    );
    return process.env.CI !== "true";
  }
  return run(command, [...(fix ? ["-i"] : ["--dry-run", "-Werror"]), ...cppFiles()]);
}

const steps = [
  ["biome", () => node(packageBin("@biomejs/biome", "biome"), "check", ...(fix ? ["--write"] : []))],
  ["tsc", () => node(packageBin("typescript", "tsc"), "--noEmit", "-p", "tsconfig.json")],
  ["clang-format", clangFormat],
  ["layers", () => node("scripts/check-layers.mjs")],
  ["layers self-test", () => node("scripts/check-layers.mjs", "--self-test")],
  ["sources", () => node("scripts/sources.cjs", "check")],
];
const failed = steps.filter(([, step]) => !step()).map(([name]) => name);
process.stdout.write(failed.length === 0 ? "[lint] clean\n" : `[lint] failed: ${failed.join(", ")}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
