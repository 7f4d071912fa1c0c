// How the time of a GRPO step grows: with rollouts, context, model, vocabulary and threads, one changed at a time.
//   node bench/scaling.mjs [--only rollouts,context,model,vocabulary,threads] [--quick] [--save] [--json]
// Models are fetched (scripts/fetch-models.mjs); the vocabulary's are two made-up ones that differ in nothing else.
// --save writes bench/results/<date>-scaling.json and scaling.svg. Takes about 8 minutes on two cores; --quick leaves out
// the largest point of each sweep and the larger model.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Policy } from "../dist/index.js";
import { fetchModel } from "../scripts/fetch-models.mjs";
import { machine, startMeter } from "./meter.mjs";
import { scalingFigure } from "./scaling/figure.mjs";
import { writeSyntheticLlama } from "./scaling/synthetic.mjs";
import { grpoStep } from "./step.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const QUICKSTART = path.join(here, "../models/quickstart");
const SYNTHETIC = { dim: 576, layers: 8, heads: 9, kvHeads: 3, ffn: 1536 };
const SHAPE = { questions: 3, rollouts: 3, prompt: 64, newTokens: 64, threads: 2 };

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** What each sweep changes: x of each point, and its shape or model. `power`: how time should grow with x. */
async function sweeps(work) {
  const smollm2 = (await fetchModel("smollm2")).path;
  const gemma = (await fetchModel("gemma3-270m")).path;
  const synthetic = (vocabulary) => {
    const folder = path.join(work, `vocabulary-${vocabulary}`);
    return { make: () => writeSyntheticLlama(folder, { ...SYNTHETIC, vocabulary }), model: folder };
  };
  return [
    {
      name: "rollouts",
      title: "SmolLM2-135M, rollouts",
      axis: "rollouts of each of 3 questions",
      power: 1,
      points: [3, 6, 12, 24].map((rollouts) => ({ x: rollouts, model: smollm2, rollouts })),
    },
    {
      name: "context",
      title: "SmolLM2-135M, context",
      axis: "tokens of prompt and completion",
      power: 1,
      points: [128, 256, 512, 1024, 2048].map((context) => ({
        x: context,
        model: smollm2,
        questions: 1,
        prompt: context - 64,
      })),
    },
    {
      name: "model",
      title: "model size",
      axis: "millions of parameters",
      logBase: 10,
      power: 1,
      points: [QUICKSTART, smollm2, gemma].map((model) => ({ model, xOf: ({ parameters }) => parameters / 1e6 })),
    },
    {
      name: "vocabulary",
      title: "vocabulary, 8 layers of 576",
      axis: "thousands of tokens",
      power: 1,
      points: [49152, 262144].map((vocabulary) => ({ x: vocabulary / 1e3, ...synthetic(vocabulary) })),
    },
    {
      name: "threads",
      title: "SmolLM2-135M, threads",
      axis: "threads",
      power: -1,
      points: [1, 2].map((threads) => ({ x: threads, model: smollm2, threads })),
    },
  ];
}

async function measure(point) {
  const shape = { ...SHAPE, ...point };
  point.make?.();
  const policy = await Policy.load({
    model: shape.model,
    trainable: "lora",
    threads: shape.threads,
    lora: { rank: 16, alpha: 16 },
    // A question with all its rollouts in one forward: split, its prompt would be computed once for each part.
    maxBatchRows: Math.max(1024, shape.prompt + shape.rollouts * shape.newTokens),
  });
  try {
    const { vocabularySize: vocabulary, parameters } = policy.info;
    // Ids without a meaning: the time does not depend on which they are.
    const prompts = Array.from({ length: shape.questions }, (_, q) =>
      Int32Array.from({ length: shape.prompt }, (_, i) => (1009 * (q + 1) + 31 * i) % vocabulary),
    );
    const request = { prompts, rollouts: shape.rollouts, newTokens: shape.newTokens };
    await grpoStep(policy, request, 0);
    const stop = startMeter();
    const { step, rollout, training, samplerGap } = await grpoStep(policy, request, 1);
    const { foreignCpu } = stop();
    return {
      x: point.x ?? point.xOf(policy.info),
      step,
      rollout,
      training,
      samplerGap,
      foreignCpu,
      model: path.basename(shape.model),
      parameters,
      vocabulary,
      questions: shape.questions,
      rollouts: shape.rollouts,
      promptTokens: shape.prompt,
      newTokens: shape.newTokens,
      threads: shape.threads,
      peakBytes: policy.memory().peakBytes,
    };
  } finally {
    await policy.close();
  }
}

const wanted = values.only?.split(",");
const work = mkdtempSync(path.join(tmpdir(), "rlvr-scaling-"));
const results = [];
try {
  for (const { points, ...sweep } of await sweeps(work)) {
    if (wanted && !wanted.includes(sweep.name)) continue;
    const measured = [];
    for (const point of values.quick && points.length > 2 ? points.slice(0, -1) : points) {
      const result = await measure(point);
      measured.push(result);
      console.error(
        `[scaling] ${sweep.name} ${Number(result.x.toPrecision(4))}: ${result.step.toFixed(2)} s a step, rollouts ` +
          `${result.rollout.toFixed(2)}, gradient ${result.training.toFixed(2)}, foreign CPU ` +
          `${(100 * result.foreignCpu).toFixed(1)} %`,
      );
    }
    results.push({ ...sweep, points: measured });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (results.length === 0) {
  console.error(`[scaling] --only is ${values.only}; expected some of rollouts, context, model, vocabulary, threads`);
  process.exit(2);
}
const result = {
  benchmark: "scaling",
  command: ["node bench/scaling.mjs", ...process.argv.slice(2)].join(" "),
  date: new Date().toISOString().slice(0, 10),
  machine: machine(),
  shape: SHAPE,
  sweeps: results,
};
if (values.save) {
  const folder = path.join(here, "results");
  const caption =
    `Unless changed: ${SHAPE.questions} questions x ${SHAPE.rollouts} rollouts x (${SHAPE.prompt} + ${SHAPE.newTokens}) ` +
    `tokens, ${SHAPE.threads} threads; context: 1 question. ${result.machine.cpu}, ${result.date}`;
  writeFileSync(path.join(folder, `${result.date}-scaling.json`), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(path.join(folder, "scaling.svg"), `${scalingFigure(results, caption)}\n`);
}
if (values.json) console.log(JSON.stringify(result));
