// Questions per second beside lm_eval 0.4.13's HF backend: the same MMLU rows, model, prompts and threads, in one run.
//   node bench/compare/lm-eval.mjs MODEL.gguf --dump FOLDER --data DATA [--python PYTHON] [--subject anatomy]
//        [--count 40] [--shots 0,5] [--threads 2] [--batch-size 8] [--out FILE] [--json]
// DATA has mmlu/data/{dev,test}. --dump is the model as a float32 Hugging Face folder (hf_dump.py makes it). Needs
// `npm run build`. Both clocks run over prompts, token ids and scores, not over loading. Ours runs before and after.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readBenchmark } from "../../dist/data/read-benchmark.js";
import { Policy } from "../../dist/engine/policy.js";
import { BatchCollector, rowGroups } from "../../dist/evaluation/batches.js";
import { encodeRow } from "../../dist/evaluation/encode.js";
import { askedRows } from "../../dist/evaluation/prompts.js";
import { loadProtocol, partOf } from "../../dist/evaluation/protocol.js";
import { answerRows } from "../../dist/recipes/answer-rows.js";
import { localFolder } from "../../dist/run/local-folder.js";
import { loadTokenizer } from "../../dist/text/load-tokenizer.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dump: { type: "string" },
    data: { type: "string" },
    python: { type: "string", default: "python3" },
    subject: { type: "string", default: "anatomy" },
    count: { type: "string", default: "40" },
    shots: { type: "string", default: "0,5" },
    threads: { type: "string", default: "2" },
    "batch-size": { type: "string", default: "8" },
    out: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [model] = positionals;
if (!model || !values.dump || !values.data) {
  console.error(
    "usage: node bench/compare/lm-eval.mjs MODEL.gguf --dump FOLDER --data DATA [--python PYTHON] [--json]",
  );
  process.exit(2);
}
const { subject, threads } = values;
const count = Number(values.count);

const tokenizer = await loadTokenizer(model);
const policy = await Policy.load({ model, threads: Number(threads) });
const rows = await readBenchmark("mmlu", localFolder(values.data), { subjects: [subject] });

async function ours(shots) {
  const part = partOf(await loadProtocol("lm-eval", { shots }), "mmlu");
  const start = performance.now();
  const asked = askedRows(rows.test, rows.shots, part).slice(0, count);
  const encoded = asked.map((row) => encodeRow(row, part, tokenizer, policy.info.contextLength));
  const collector = new BatchCollector();
  const best = [];
  const answer = async (batch) => {
    if (batch === undefined) return;
    for await (const answers of answerRows(batch, { policy, tokenizer, part, key: "bench" }))
      best.push(...answers.map(({ extracted }) => extracted));
  };
  for (const group of rowGroups(encoded)) await answer(collector.add(group));
  await answer(collector.rest());
  return { questions: best.length, seconds: (performance.now() - start) / 1000, best };
}

function theirs(shots) {
  const args = [values.dump, values.data, subject, String(count), String(shots), threads, values["batch-size"]];
  const result = spawnSync(values.python, [path.join(here, "lm_eval_speed.py"), ...args], {
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: threads },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 26,
  });
  if (result.status !== 0) {
    console.error(result.stderr);
    process.exit(1);
  }
  return JSON.parse(result.stdout.trim().split("\n").at(-1));
}

const results = [];
for (const shots of values.shots.split(",").map(Number)) {
  const first = await ours(shots);
  const other = theirs(shots);
  const second = await ours(shots);
  const seconds = Math.min(first.seconds, second.seconds);
  const same = first.best.filter((letter, index) => letter === other.best[index]).length;
  results.push({
    shots,
    questions: first.questions,
    oursPerSecond: first.questions / seconds,
    lmEvalPerSecond: other.questions / other.seconds,
    ratio: other.seconds / seconds,
    oursSeconds: [first.seconds, second.seconds],
    lmEvalSeconds: other.seconds,
    sameBestOption: same,
    lmEval: other.lm_eval,
  });
}
await policy.close();
const result = {
  benchmark: "option scores against lm_eval's HF backend",
  command: `node bench/compare/lm-eval.mjs ${path.basename(model)} --subject ${subject} --count ${count} --threads ${threads}`,
  date: new Date().toISOString().slice(0, 10),
  cpu: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`,
  batchSize: Number(values["batch-size"]),
  results,
};
if (values.out) {
  mkdirSync(path.dirname(values.out), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
}
if (values.json) console.log(JSON.stringify(result));
else {
  for (const { shots, questions, oursPerSecond, lmEvalPerSecond, ratio, sameBestOption } of results) {
    console.log(
      `${shots} examples, ${questions} questions: ours ${oursPerSecond.toFixed(1)}/s, lm_eval ${lmEvalPerSecond.toFixed(1)}/s, ` +
        `${ratio.toFixed(2)} times; the same best option in ${sameBestOption}`,
    );
  }
}
