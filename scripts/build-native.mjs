// Builds the addon with node-gyp, without downloading headers.
//   node scripts/build-native.mjs               builds
//   node scripts/build-native.mjs --if-needed   does nothing when a prebuilt or built addon already loads
// npm_config_build_from_source=true builds even then. Extra arguments go to node-gyp.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL("..", import.meta.url));
const args = process.argv.slice(2);

/** node-gyp of this checkout, or the one inside the npm that runs this script. */
function nodeGyp() {
  try {
    return require.resolve("node-gyp/bin/node-gyp.js");
  } catch {
    const npm = process.env.npm_execpath ?? "";
    const bundled = path.join(path.dirname(npm), "../node_modules/node-gyp/bin/node-gyp.js");
    if (fs.existsSync(bundled)) return bundled;
    throw new Error("[build] node-gyp was not found; run this through npm, or `npm install node-gyp` first.");
  }
}

function alreadyLoads() {
  if (process.env.npm_config_build_from_source === "true") return false;
  try {
    require("node-gyp-build")(root);
    return true;
  } catch {
    return false;
  }
}

/** gyp's makefile rebuilds what changed; only the first build configures from nothing. */
function command() {
  return fs.existsSync(path.join(root, "build/Makefile")) ? ["configure", "build"] : ["rebuild"];
}

/** Why the built addon does not load, such as a missing symbol, which linking an addon does not report; or "". */
function loadFailure() {
  const load = `require("node-gyp-build")(${JSON.stringify(root)})`;
  const result = spawnSync(process.execPath, ["-e", load], { cwd: root, encoding: "utf8" });
  return result.status === 0 ? "" : result.stderr;
}

function build(extra) {
  const common = [`--nodedir=${path.join(root, "native/nodedir")}`, "-j", process.env.JOBS ?? "max", "--loglevel=warn"];
  const result = spawnSync(process.execPath, [nodeGyp(), ...command(), ...common, ...extra], {
    cwd: root,
    stdio: "inherit",
  });
  if (result.status !== 0) {
    return "the addon did not build. It needs a C++20 compiler (g++ 12 or newer), make and Python 3.";
  }
  const failure = loadFailure();
  return failure === "" ? "" : `the addon was built but does not load:\n${failure}`;
}

if (!(args.includes("--if-needed") && alreadyLoads())) {
  const problem = build(args.filter((arg) => arg !== "--if-needed"));
  if (problem !== "") {
    process.stderr.write(`[build] ${problem}\n`);
    process.exitCode = 1;
  }
}
