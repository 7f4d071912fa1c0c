// rlvr-node beside its peers (TRL, torch + PEFT, llama.cpp), each goal measured on both sides in one run on one machine.
//   npm run bench:compare -- [--only NAME,...] [--model smollm2|gemma3-270m] [--quick] [--save] [--json]
//        [--threads 2] [--foreign 0.02] [--cache FOLDER] [--list]
// --only takes names of comparisons (--list shows them) or their halves: --only decode,step/smollm2. --quick measures once instead of
// alternating. --save writes bench/results/<date>-compare.json and the table of bench/README.md. --json prints the
// goals alone on stdout. The peers are fetched and built into --cache (compare/peers.mjs); one that cannot be had is
// reported, and its goals are unknown. A run in which others took more than --foreign of the machine is discarded and
// repeated; if it stays loud its goals are unknown too. Status 1 when a goal is not met.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { comparisons, MODELS, measureGoals } from "./compare/goals.mjs";
import { judge, publicGoals } from "./compare/judge.mjs";
import { cacheFolder, Peers } from "./compare/peers.mjs";
import { Runner } from "./compare/runner.mjs";
import { markdownTable, textTable, withTable } from "./compare/table.mjs";
import { machine } from "./meter.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    model: { type: "string" },
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    threads: { type: "string", default: "2" },
    foreign: { type: "string", default: "0.02" },
    cache: { type: "string", default: cacheFolder() },
  },
});

function fail(text) {
  console.error(`[bench] ${text}`);
  process.exit(2);
}

if (values.model !== undefined && !MODELS.includes(values.model)) {
  fail(`--model is ${values.model}; expected one of ${MODELS.join(", ")}`);
}
if (values.save && (values.only || values.model || values.quick)) {
  fail("--save writes the table of all goals; expected no --only, --model or --quick with it");
}
const parts = values.only?.split(",").filter(Boolean) ?? [""];
const all = comparisons(values.model ? [values.model] : MODELS);
const isNamed = (name, part) => part === "" || name === part || name.split("/").includes(part);
const unknown = parts.find((part) => !all.some(({ name }) => isNamed(name, part)));
if (unknown !== undefined) fail(`--only names ${unknown}; there are ${all.map(({ name }) => name).join(", ")}`);
const chosen = all.filter(({ name }) => parts.some((part) => isNamed(name, part)));
if (values.list) {
  for (const { name, seconds } of chosen) console.log(`${name}  about ${seconds} s`);
  process.exit(0);
}

const foreignLimit = Number(values.foreign);
const threads = Number(values.threads);
const runner = new Runner({ foreignLimit, attempts: values.quick ? 1 : 3 });
const peers = new Peers(path.resolve(values.cache));
for (const { seconds } of chosen) runner.expect(seconds);

const found = [];
for (const comparison of chosen) {
  runner.begin(comparison.name, comparison.seconds);
  found.push(...(await measureGoals(comparison, { runner, peers, threads, quick: values.quick })));
}
const goals = judge(found, { foreignLimit });

const folder = path.dirname(fileURLToPath(import.meta.url));
if (values.save) {
  const summary = goals.map(({ raw: _, ...goal }) => goal);
  const result = {
    benchmark: "compare",
    command: ["npm run bench:compare --", ...process.argv.slice(2)].join(" "),
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    threads,
    foreignLimit,
    versions: peers.versions(),
    goals: summary,
    commands: [...runner.commands],
    raw: Object.fromEntries(goals.filter((goal) => goal.raw !== undefined).map((goal) => [goal.name, goal.raw])),
  };
  const file = `${result.date}-compare.json`;
  mkdirSync(path.join(folder, "results"), { recursive: true });
  writeFileSync(path.join(folder, "results", file), `${JSON.stringify(result, null, 2)}\n`);
  const readme = path.join(folder, "README.md");
  writeFileSync(readme, withTable(readFileSync(readme, "utf8"), markdownTable(result, file)));
}
if (values.json) console.log(JSON.stringify(publicGoals(goals)));
else console.log(textTable(goals));
process.exitCode = goals.some(({ met }) => met === false) ? 1 : 0;
