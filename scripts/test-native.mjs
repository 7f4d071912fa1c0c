// Builds the engine and its C++ tests with plain CMake (no Node) and runs them.
//   node scripts/test-native.mjs [plain|sanitized|thread ...] [-- arguments of the test program]
// plain: optimised, once for each instruction set of this machine; sanitized: ASan + UBSan; thread: TSan.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { capture, exists, root, run } from "./run.mjs";

const builds = {
  plain: { sanitize: "", type: "Release" },
  // Optimised a little: the tests run whole models. Without NDEBUG the engine's own checks are on.
  sanitized: { sanitize: "address,undefined", type: "None", flags: "-O1" },
  thread: { sanitize: "thread", type: "None", flags: "-O1" },
};

/** Builds one variant; the test program's path, or undefined. */
export function buildNativeTests(name) {
  if (!exists("cmake")) {
    process.stderr.write("[test] cmake is not there: install it (apt install cmake, or pip install cmake)\n");
    return undefined;
  }
  const { sanitize, type, flags = "" } = builds[name];
  const folder = path.join("build-test", name);
  const generator = exists("ninja") && !fs.existsSync(path.join(root, folder, "Makefile")) ? ["-G", "Ninja"] : [];
  const options = [`-DCMAKE_BUILD_TYPE=${type}`, `-DRLVR_SANITIZE=${sanitize}`, `-DCMAKE_CXX_FLAGS=${flags}`];
  const jobs = process.env.JOBS ?? String(os.availableParallelism());
  const built =
    run("cmake", ["-S", ".", "-B", folder, ...generator, ...options, "-Wno-dev"]) &&
    run("cmake", ["--build", folder, "-j", jobs]);
  return built ? path.join(root, folder, "rlvr_tests") : undefined;
}

/** Runs one variant; {passed, failed}. A program that does not build or crashes counts as one failure. */
export function runNativeTests(name, args = [], env = {}) {
  const program = buildNativeTests(name);
  if (program === undefined) return { passed: 0, failed: 1 };
  const [succeeded, output] = capture(program, args, {
    env: {
      ...process.env,
      // The engine is never unloaded, so what it keeps for the process is no leak; exhausted memory must throw.
      ASAN_OPTIONS: "detect_leaks=1:allocator_may_return_null=1",
      UBSAN_OPTIONS: "print_stacktrace=1",
      ...env,
    },
  });
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [0, 0, 0];
  const counts = { passed: Number(passed), failed: Number(failed) };
  return succeeded || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

if (process.argv[1] === import.meta.filename) {
  const split = process.argv.indexOf("--");
  const names = process.argv.slice(2, split < 0 ? undefined : split);
  const args = split < 0 ? [] : process.argv.slice(split + 1);
  const results = (names.length > 0 ? names : ["plain", "sanitized"]).map((name) => runNativeTests(name, args));
  process.exitCode = results.every((result) => result.failed === 0) ? 0 : 1;
}
