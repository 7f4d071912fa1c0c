// Builds the CUDA backend as a library that the addon loads at run time, into build/cuda/. Plain CMake: no Node headers.
//   node scripts/build-cuda.mjs [--emulated] [--arch 89] [--release]
// --emulated: the same sources for the host, as librlvr_cuda_emulated.so; needs no CUDA.
// --arch: one or more compute capabilities, "80;86;89;90;120"; default 89 (RTX 4090). --release: all of these and PTX.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { exists, root, run } from "./run.mjs";

const releaseArchitectures = "80-real;86-real;89-real;90-real;120-real;120-virtual";

const { values: options } = parseArgs({
  options: {
    emulated: { type: "boolean", default: false },
    arch: { type: "string" },
    release: { type: "boolean", default: false },
  },
});

function build() {
  for (const [tool, hint] of [
    ["cmake", "apt install cmake, or pip install cmake"],
    ...(options.emulated ? [] : [["nvcc", "install the CUDA toolkit 12.4 or newer and put its bin folder on PATH"]]),
  ]) {
    if (exists(tool)) continue;
    process.stderr.write(`[build] ${tool} is not there: ${hint}\n`);
    return false;
  }
  const name = options.emulated ? "rlvr_cuda_emulated" : "rlvr_cuda";
  const folder = path.join("build", options.emulated ? "cuda-emulated-objects" : "cuda-objects");
  const architectures = options.arch ?? (options.release ? releaseArchitectures : "89");
  const settings = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DRLVR_TESTS=OFF",
    ...(options.emulated
      ? ["-DRLVR_CUDA_EMULATED=ON"]
      : ["-DRLVR_CUDA=ON", `-DCMAKE_CUDA_ARCHITECTURES=${architectures}`]),
  ];
  const generator = exists("ninja") && !fs.existsSync(path.join(root, folder, "Makefile")) ? ["-G", "Ninja"] : [];
  const jobs = process.env.JOBS ?? String(os.availableParallelism());
  const isBuilt =
    run("cmake", ["-S", ".", "-B", folder, ...generator, ...settings, "-Wno-dev"]) &&
    run("cmake", ["--build", folder, "--target", name, "-j", jobs]);
  if (!isBuilt) return false;
  const file = `lib${name}.so`;
  const target = path.join(root, "build", "cuda", file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  // A running process keeps the file that it has mapped.
  fs.copyFileSync(path.join(root, folder, file), `${target}.new`);
  fs.renameSync(`${target}.new`, target);
  process.stdout.write(`build/cuda/${file}\n`);
  return true;
}

process.exitCode = build() ? 0 : 1;
