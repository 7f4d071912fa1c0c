// `npm run prebuild`: an addon for this platform under prebuilds/, which `npm pack` then includes. It runs wherever the
// C and C++ libraries are at least as new as here, with no compiler and no install step.
import path from "node:path";
import { packageBin, root, run } from "./run.mjs";

const env = { ...process.env, npm_config_nodedir: path.join(root, "native/nodedir") };
const args = ["--napi", "--strip", "--name", "rlvr-node", "--quiet"];
process.exitCode = run(process.execPath, [packageBin("prebuildify"), ...args], { env }) ? 0 : 1;
