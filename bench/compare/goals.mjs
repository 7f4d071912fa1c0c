// What is compared, and what each comparison has to show. A goal is at least its figure, or at most where it says so;
// `rests` names the goals that compare answers: speed counts only for an answer that is right.
import { choices, decode, gemm, greedy, grpoStep, loraStep, prefill } from "./comparisons.mjs";
import { MissingPeer } from "./peers.mjs";

export const MODELS = ["smollm2", "gemma3-270m"];

const ofModel = (model) => {
  const pick = (smollm2, gemma) => (model === "smollm2" ? smollm2 : gemma);
  const named = (name, goal, unit, more = {}) => ({ name: `${name}/${model}`, goal, unit, ...more });
  const greedyRight = [`greedy/${model}`];
  const lossRight = [`lora-loss/${model}`, `lora-gradient/${model}`];
  const step = { rests: [...greedyRight, ...lossRight, `step-exact/${model}`] };
  const decoding = (sequences, goal) =>
    named(`decode-${sequences}`, goal, `times llama.cpp's decoding of ${sequences} at a time, same file`, {
      rests: greedyRight,
    });
  const filling = (shape, words) =>
    named(`prefill-${shape}`, 1.25, `times llama.cpp's prefill of ${words}, its best type`, { rests: greedyRight });
  return [
    {
      name: `greedy/${model}`,
      seconds: 30,
      measure: greedy,
      goals: [named("greedy", 1, "of 64 greedy tokens as transformers chooses them")],
    },
    {
      name: `lora/${model}`,
      seconds: pick(75, 120),
      measure: loraStep,
      goals: [
        named("lora", 1.4, "times torch + PEFT F32, forward and backward of 4 x 256 tokens", { rests: lossRight }),
        named("lora-loss", 1e-4, "nats between our loss and torch's", { atMost: true }),
        named("lora-gradient", 1e-3, "between our gradient's norm and torch's, relative", { atMost: true }),
      ],
    },
    {
      name: `decode/${model}`,
      seconds: pick(130, 110),
      measure: decode,
      goals: [decoding(1, 1.6), decoding(9, pick(3.5, 2.2)), decoding(32, pick(3.5, 2))],
    },
    {
      name: `prefill/${model}`,
      seconds: 80,
      measure: prefill,
      goals: [filling("512", "512 tokens"), filling("4x128", "4 x 128 tokens")],
    },
    {
      name: `step/${model}`,
      seconds: pick(200, 320),
      measure: grpoStep,
      goals: [
        named("step-speed", pick(4, 4.5), "times TRL F32, a GRPO step", { stretch: pick(5, 6), ...step }),
        named("step-memory", 6, "times less peak memory than TRL F32", step),
        named("step-exact", 0, "nats between sampler and trainer", { atMost: true }),
        named("step-plan", 0.05, "between the engine's peak memory and its plan, relative", { atMost: true }),
      ],
    },
  ].map((comparison) => ({ ...comparison, model }));
};

const withoutModel = [
  {
    name: "gemm",
    seconds: 70,
    measure: gemm,
    goals: [
      {
        name: "gemm-peak",
        goal: 0.8,
        unit: "of the multiply-add peak, F32 products at the models' shapes, the lowest",
      },
      { name: "gemm-torch", goal: 1, unit: "times torch at the same shapes, the lowest" },
    ],
  },
  {
    name: "choices",
    model: "smollm2",
    seconds: 40,
    measure: choices,
    goals: [{ name: "choices", goal: 5, unit: "times separate prompts, questions behind one 5-shot header" }],
  },
];

/** Every comparison of these models, and those of none, the answers' checks first. */
export const comparisons = (models) => [...models.flatMap(ofModel), ...withoutModel];

/** A comparison's goals with what was found; unknown, with the reason, when a peer is missing. */
export async function measureGoals({ goals, measure, model }, run) {
  try {
    const findings = await measure(run, model);
    return goals.map((goal, i) => ({ ...goal, ...findings[i] }));
  } catch (error) {
    if (!(error instanceof MissingPeer)) throw error;
    return goals.map((goal) => ({ ...goal, value: null, note: `missing: ${error.message}` }));
  }
}
