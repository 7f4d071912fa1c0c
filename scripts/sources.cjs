// Prints what binding.gyp needs of native/sources.json, one entry a line.
//   node scripts/sources.cjs engine addon     source files of the named lists
//   node scripts/sources.cjs flags            compiler flags of every file
//   node scripts/sources.cjs check            fails when a C++ file on disk is in no list, or the reverse
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const root = path.join(__dirname, "..");
const sources = JSON.parse(fs.readFileSync(path.join(root, "native/sources.json"), "utf8"));

const list = (names) => names.flatMap((name) => sources[name]);

function check() {
  const listed = list(["engine", "cuda", "cuda_emulator", "addon", "tests", "cuda_tests", "bench"]);
  const found = ["native", "test/native", "bench/native"].flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true })
      .map((file) => `${folder}/${file}`)
      .filter((file) => /\.(cc|cu)$/.test(file)),
  );
  const problems = [
    ...found.filter((file) => !listed.includes(file)).map((file) => `${file} is in no list of native/sources.json`),
    ...listed.filter((file) => !found.includes(file)).map((file) => `${file} is listed but does not exist`),
    ...listed.filter((file, i) => listed.indexOf(file) !== i).map((file) => `${file} is listed twice`),
  ];
  for (const problem of problems) process.stderr.write(`[sources] ${problem}\n`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

const names = process.argv.slice(2);
if (names[0] === "check") check();
else process.stdout.write(list(names).join("\n"));
