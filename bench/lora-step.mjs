// Times forward and backward of a LoRA adapter (r=16 on every linear layer), cross-entropy on every token but the first.
//   node bench/lora-step.mjs MODEL [--batch 4] [--tokens 256] [--repeats 3] [--threads 2] [--save FOLDER] [--json]
// The adapter has taken one large step before, so that its second factor is not 0. --save leaves that adapter (a PEFT
// folder) and the token ids (ids.json) in FOLDER: what another program needs to compute the same loss and gradient.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer, Policy } from "../dist/index.js";
import { median, peakRss, seconds, startMeter } from "./meter.mjs";
import { vignettes } from "./prompts.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: "string", default: "4" },
    tokens: { type: "string", default: "256" },
    repeats: { type: "string", default: "3" },
    threads: { type: "string", default: "0" },
    save: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error(
    "usage: node bench/lora-step.mjs MODEL [--batch N] [--tokens N] [--repeats N] [--save FOLDER] [--json]",
  );
  process.exit(2);
}
const [model] = positionals;
const batch = Number(values.batch);
const tokens = Number(values.tokens);

const tokenizer = await loadTokenizer(model);
const policy = await Policy.load({
  model,
  trainable: "lora",
  threads: Number(values.threads),
  lora: { rank: 16, alpha: 16, seed: 1 },
});
const sequences = vignettes(tokenizer, batch, tokens);
const request = {
  groups: sequences.map((ids) => ({
    promptIds: ids.slice(0, 1),
    completions: [
      { completionIds: ids.slice(1), weights: new Float32Array(tokens - 1).fill(1 / (batch * (tokens - 1))) },
    ],
  })),
  loss: { kind: "supervised" },
};
const update = { learningRate: 5e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 0 };

const first = await policy.accumulate(request);
await policy.update(update);
if (values.save) {
  mkdirSync(values.save, { recursive: true });
  await policy.saveAdapter(values.save, { baseModel: path.basename(model) });
  writeFileSync(path.join(values.save, "ids.json"), JSON.stringify(sequences.map((ids) => [...ids])));
}
const stop = startMeter();
const times = [];
let last = first;
for (let i = 0; i < Number(values.repeats); i++) {
  await policy.zeroGradients();
  const start = seconds();
  last = await policy.accumulate(request);
  times.push(seconds() - start);
}
const { foreignCpu } = stop();
const { gradNorm } = await policy.update(update);
const { threads, isa } = policy.info;
await policy.close();

const result = {
  benchmark: "lora-step",
  model: path.basename(model),
  threads,
  isa,
  shape: { batch, tokens, loraRank: 16 },
  tokensPerSecond: (batch * tokens) / median(times),
  seconds: times,
  lossBefore: first.loss,
  loss: last.loss,
  gradNorm,
  peakRssBytes: peakRss(),
  foreignCpu,
};
if (values.json) {
  console.log(JSON.stringify(result));
} else {
  console.log(
    `${batch} x ${tokens} tokens ${result.tokensPerSecond.toFixed(0)} tok/s, loss ${result.loss.toFixed(5)}, gradient ` +
      `norm ${gradNorm.toFixed(5)}, peak RSS ${(result.peakRssBytes / 2 ** 20).toFixed(0)} MiB, ` +
      `foreign CPU ${(100 * foreignCpu).toFixed(1)} %`,
  );
}
