// Times one GRPO step and its parts: 3 questions x 3 rollouts x (128 + 128) tokens, LoRA r=16 on every linear layer, F32.
//   node bench/grpo-step.mjs MODEL [--steps 3] [--threads 2] [--rollouts 3] [--prompt 128] [--new 128] [--beta 0]
//        [--separate] [--json]
// MODEL is a .gguf file or a safetensors folder. --separate computes a prompt once per rollout (no prompt sharing), to
// show what sharing brings. The first step warms up and is not counted.
import { parseArgs } from "node:util";
import { loadTokenizer, Policy } from "../dist/index.js";
import { peakRss, seconds, startMeter } from "./meter.mjs";
import { vignettes } from "./prompts.mjs";
import { grpoStep } from "./step.mjs";

const QUESTIONS = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "3" },
    threads: { type: "string", default: "0" },
    prompt: { type: "string", default: "128" },
    rollouts: { type: "string", default: "3" },
    new: { type: "string", default: "128" },
    beta: { type: "string", default: "0" },
    separate: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error("usage: node bench/grpo-step.mjs MODEL [--steps N] [--threads N] [--prompt N] [--new N] [--json]");
  process.exit(2);
}

const steps = Number(values.steps);
const promptTokens = Number(values.prompt);
const newTokens = Number(values.new);
const beta = Number(values.beta);
const rollouts = Number(values.rollouts);

const loadStart = seconds();
const tokenizer = await loadTokenizer(positionals[0]);
const tokenizerSeconds = seconds() - loadStart;
const modelStart = seconds();
const options = {
  model: positionals[0],
  trainable: "lora",
  threads: Number(values.threads),
  lora: { rank: 16, alpha: 16 },
};
const policy = await Policy.load(options);
const modelSeconds = seconds() - modelStart;

const prompts = vignettes(tokenizer, QUESTIONS, promptTokens);
// What the engine says beforehand that these calls take.
const copies = values.separate ? rollouts : 1;
const calls = { groups: QUESTIONS * copies, completions: rollouts / copies };
const { memory: plan } = await Policy.plan(options, {
  promptTokens,
  completionTokens: newTokens,
  generate: [{ prompts: calls.groups, rollouts: calls.completions }],
  accumulate: calls,
  ...(beta > 0 ? { logprobs: calls } : {}),
});
const shape = { prompts, rollouts, newTokens, beta, separate: values.separate };

await grpoStep(policy, shape, 0);
const stop = startMeter();
const runs = [];
for (let i = 1; i <= steps; i++) runs.push(await grpoStep(policy, shape, i));
const { foreignCpu } = stop();
const mean = (key) => runs.reduce((sum, run) => sum + run[key], 0) / runs.length;
const memory = policy.memory();
const result = {
  benchmark: "grpo-step",
  model: positionals[0].split("/").pop(),
  shape: { questions: QUESTIONS, rollouts, promptTokens, newTokens, loraRank: 16, beta },
  promptSharing: !values.separate,
  threads: policy.info.threads,
  isa: policy.info.isa,
  stepSeconds: mean("step"),
  rolloutSeconds: mean("rollout"),
  referenceSeconds: mean("reference"),
  trainingSeconds: mean("training"),
  rolloutTokensPerSecond: (QUESTIONS * rollouts * newTokens) / mean("rollout"),
  tokensTrained: mean("tokensTrained"),
  samplerGap: Math.max(...runs.map((run) => run.samplerGap)),
  tokenizerSeconds,
  modelSeconds,
  enginePeakBytes: memory.peakBytes,
  plannedBytes: plan.totalBytes,
  peakRssBytes: peakRss(),
  foreignCpu,
};
await policy.close();

if (values.json) {
  console.log(JSON.stringify(result));
} else {
  const f = (x) => x.toFixed(2);
  console.log(`${result.model}, ${result.threads} threads, ${result.isa}`);
  console.log(`step      ${f(result.stepSeconds)} s`);
  console.log(`rollout   ${f(result.rolloutSeconds)} s (${result.rolloutTokensPerSecond.toFixed(0)} tok/s)`);
  console.log(`reference ${f(result.referenceSeconds)} s`);
  console.log(`training  ${f(result.trainingSeconds)} s (${result.tokensTrained} rows)`);
  console.log(
    `peak RSS  ${(result.peakRssBytes / 2 ** 20).toFixed(0)} MiB, engine ${(result.enginePeakBytes / 2 ** 20).toFixed(0)} ` +
      `of ${(result.plannedBytes / 2 ** 20).toFixed(0)} MiB planned`,
  );
  console.log(`load      model ${f(result.modelSeconds)} s, tokenizer ${f(result.tokenizerSeconds)} s`);
  console.log(`sampler gap ${result.samplerGap}, foreign CPU ${(100 * result.foreignCpu).toFixed(1)} %`);
}
