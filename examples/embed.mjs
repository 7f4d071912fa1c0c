// Embedding the trainer: one GRPO step by hand, on one's own question and reward.
//   node examples/embed.mjs [model folder or .gguf file]
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { groupAdvantages, loadTokenizer, Policy, rewards } from "rlvr-node";

const model = process.argv[2] ?? fileURLToPath(new URL("../models/quickstart", import.meta.url));
const question = {
  id: "card-1",
  question: "Card: T 37.1, BP 126, glucose 2.1.\nWhich finding is present?",
  options: { A: "hyperglycemia", B: "hypertension", C: "hypoglycemia", D: "hypothermia" },
  answer: "C",
  answerText: "hypoglycemia",
  subject: "patient cards",
  source: "example",
};
const lines = Object.entries(question.options).map(([letter, text]) => `${letter}. ${text}`);
const messages = [{ role: "user", content: [question.question, ...lines].join("\n") }];

const tokenizer = await loadTokenizer(model);
const policy = await Policy.load({ model, trainable: "lora", lora: { rank: 8, alpha: 16 } });
console.log(
  `${policy.info.family}, ${policy.info.parameters} parameters, and ${policy.info.trainableParameters} in the adapter`,
);

// Sample a group of rollouts. Any long call takes an AbortSignal and reports its progress.
const promptIds = tokenizer.chat.encodeChat(messages, { addGenerationPrompt: true });
const sampled = await policy.generate(
  { prompts: [{ ids: promptIds, key: 1n }], rollouts: 8, maxNewTokens: 72, stopIds: [...tokenizer.stopIds], seed: 1n },
  {
    signal: AbortSignal.timeout(60_000),
    onProgress: (done, total) => process.stderr.write(`\r${done} of ${total} tokens`),
  },
);
process.stderr.write("\n");
const [group] = sampled.groups;

// Score the texts with rewards of the package and of one's own, and compare each with its group.
const scores = group.map(({ completionIds }) => {
  const text = tokenizer.decode(completionIds, { skipSpecial: true });
  return rewards.accuracy(text, question) + rewards.format(text, question) + (text.length < 200 ? 0.1 : 0);
});
const [advantages] = groupAdvantages([scores]);
console.log("scores", scores.join(" "));

// Accumulate the clipped objective's gradient, each token with its share of the mean, and take one AdamW step.
const tokens = group.reduce((sum, rollout) => sum + rollout.completionIds.length, 0);
const completions = group.map(({ completionIds, logprobs }, i) => ({
  completionIds,
  oldLogprobs: logprobs,
  advantages: new Float32Array(completionIds.length).fill(advantages[i]),
  weights: new Float32Array(completionIds.length).fill(1 / tokens),
}));
const result = await policy.accumulate({ groups: [{ promptIds, completions }], loss: { kind: "policy" } });
const update = await policy.update({ learningRate: 1e-3, maxGradNorm: 1 });
console.log(
  `loss ${result.loss.toFixed(4)}, sampler gap ${result.samplerGap}, gradient norm ${update.gradNorm.toFixed(4)}`,
);

// What the step did to the rollouts' logprobs, and the adapter as PEFT reads it.
const completionIds = group.map((rollout) => rollout.completionIds);
const { logprobs } = await policy.logprobs({ groups: [{ promptIds, completionIds }] });
const sum = (values) => values.reduce((a, b) => a + b, 0);
for (const [i, after] of logprobs[0].entries()) {
  console.log(
    `advantage ${advantages[i].toFixed(2)}: logprob ${sum(group[i].logprobs).toFixed(3)} -> ${sum(after).toFixed(3)}`,
  );
}
const folder = await mkdtemp(path.join(tmpdir(), "rlvr-adapter-"));
await policy.saveAdapter(folder, { baseModel: model });
console.log(`adapter saved to ${folder}`);
await policy.close();
