// Runs the programs that the other scripts are made of.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs a program with its output on ours; true when it succeeded. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) process.stderr.write(`[run] ${command}: ${result.error.message}\n`);
  return result.status === 0;
}

/** Runs a program and gives [succeeded, its output]; the output is shown as well. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 28,
    ...options,
  });
  if (result.error) process.stderr.write(`[run] ${command}: ${result.error.message}\n`);
  process.stdout.write(result.stdout ?? "");
  return [result.status === 0, result.stdout ?? ""];
}

/** True when `command --version` can be run. */
export function exists(command) {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

/** The script behind a package's command, to be run by this Node. */
export function packageBin(name, command = name) {
  const manifest = require.resolve(`${name}/package.json`);
  const { bin } = require(manifest);
  return path.join(path.dirname(manifest), typeof bin === "string" ? bin : bin[command]);
}
