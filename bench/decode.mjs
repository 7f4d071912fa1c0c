// Times decoding: sequences with prompts of their own, each new token of all of them, sampled from the whole vocabulary.
//   node bench/decode.mjs MODEL [--sequences 1,9,32] [--prompt 128] [--new 64] [--repeats 3] [--threads 2] [--json]
// A run of 1 + NEW tokens less a run of 1 token is NEW steps of decoding: the prompt and its first token are in both.
import { parseArgs } from "node:util";
import { loadTokenizer, Policy } from "../dist/index.js";
import { median, seconds, startMeter } from "./meter.mjs";
import { vignettes } from "./prompts.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sequences: { type: "string", default: "1,9,32" },
    prompt: { type: "string", default: "128" },
    new: { type: "string", default: "64" },
    repeats: { type: "string", default: "3" },
    threads: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error("usage: node bench/decode.mjs MODEL [--sequences N,N] [--prompt N] [--new N] [--repeats N] [--json]");
  process.exit(2);
}
const [model] = positionals;
const newTokens = Number(values.new);
const counts = values.sequences.split(",").map(Number);

const tokenizer = await loadTokenizer(model);
const policy = await Policy.load({ model, threads: Number(values.threads), maxLive: Math.max(32, ...counts) });

async function generate(prompts, maxNewTokens) {
  const start = seconds();
  const { groups } = await policy.generate({
    prompts: prompts.map((ids, i) => ({ ids, key: BigInt(i) })),
    maxNewTokens,
    seed: 42n,
  });
  const elapsed = seconds() - start;
  if (groups.some(([rollout]) => rollout.completionIds.length !== maxNewTokens)) {
    throw new Error("[decode] a completion ended early; expected every sequence to run to its last token");
  }
  return elapsed;
}

const results = [];
for (const sequences of counts) {
  const prompts = vignettes(tokenizer, sequences, Number(values.prompt));
  await generate(prompts, Math.min(8, newTokens));
  const stop = startMeter();
  const decode = [];
  const prefill = [];
  for (let i = 0; i < Number(values.repeats); i++) {
    const first = await generate(prompts, 1);
    decode.push((await generate(prompts, 1 + newTokens)) - first);
    prefill.push(first);
  }
  const { foreignCpu } = stop();
  results.push({
    sequences,
    tokensPerSecond: (sequences * newTokens) / median(decode),
    stepMilliseconds: (1e3 * median(decode)) / newTokens,
    promptTokensPerSecond: (sequences * Number(values.prompt)) / median(prefill),
    decodeSeconds: decode,
    foreignCpu,
  });
}

await policy.close();

if (values.json) {
  const { threads, isa } = policy.info;
  console.log(JSON.stringify({ benchmark: "decode", model: model.split("/").pop(), threads, isa, results }));
} else {
  for (const run of results) {
    console.log(
      `${String(run.sequences).padStart(3)} sequences ${run.tokensPerSecond.toFixed(1).padStart(8)} tok/s, ` +
        `${run.stepMilliseconds.toFixed(2)} ms a step, prompts ${run.promptTokensPerSecond.toFixed(0)} tok/s, ` +
        `foreign CPU ${(100 * run.foreignCpu).toFixed(1)} %`,
    );
  }
}
