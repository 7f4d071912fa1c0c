// `npm run pretrain`: makes the quickstart model's weights. npm also runs a script of this name before every
// `npm run train`, as its "pre" hook, and sets the same environment for both; the command line of the npm process tells
// them apart. As a hook it does nothing.
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";

/** [parent's id, words of the command line] of a process, or undefined when the system does not say. */
function processInfo(pid) {
  try {
    // A process that set its title has it there as one string with spaces.
    const words = fs
      .readFileSync(`/proc/${pid}/cmdline`, "utf8")
      .split(/[\0 ]+/)
      .filter(Boolean);
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return [Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]), words];
  } catch {
    try {
      const line = execFileSync("ps", ["-o", "ppid=,command=", "-p", String(pid)], { encoding: "utf8" }).trim();
      const [parent, ...words] = line.split(/\s+/);
      return [Number(parent), words];
    } catch {
      return undefined;
    }
  }
}

/** The script that the nearest package manager above this process was asked to run: "pretrain", "train" or undefined. */
function askedFor() {
  let pid = process.ppid;
  for (let level = 0; level < 6 && pid > 1; ++level) {
    const info = processInfo(pid);
    if (info === undefined) return undefined;
    const asked = info[1].find((word) => word === "pretrain" || word === "train");
    if (asked !== undefined) return asked;
    pid = info[0];
  }
  return undefined;
}

const runByPackageManager = process.env.npm_lifecycle_event !== undefined;
const asked = runByPackageManager ? askedFor() : "pretrain";
if (asked === "pretrain") {
  const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
  const result = spawnSync(process.execPath, [main, "pretrain", ...process.argv.slice(2)], { stdio: "inherit" });
  process.exitCode = result.status ?? 1;
} else if (asked === undefined) {
  process.stderr.write("[pretrain] taken for the hook of `train`; to make the weights: npx rlvr pretrain\n");
}
