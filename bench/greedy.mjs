// Greedy completions of two fixed prompts, as token ids: what another engine must give on the same weights.
//   node bench/greedy.mjs MODEL [--new 32] [--threads 2]
import path from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer, Policy } from "../dist/index.js";

const PROMPTS = [
  "The capital of France is",
  "Question: A man of 45 has a hemoglobin of 8.2 g/dL. Which vitamin or mineral does he probably lack?\nAnswer:",
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { new: { type: "string", default: "32" }, threads: { type: "string", default: "0" } },
});
if (positionals.length !== 1) {
  console.error("usage: node bench/greedy.mjs MODEL [--new N] [--threads N]");
  process.exit(2);
}
const [model] = positionals;
const tokenizer = await loadTokenizer(model);
const policy = await Policy.load({ model, threads: Number(values.threads) });
const { bosId } = policy.info;
const prompts = PROMPTS.map((text) =>
  Int32Array.from([...(bosId === undefined ? [] : [bosId]), ...tokenizer.encode(text)]),
);
const { groups } = await policy.generate({
  prompts: prompts.map((ids, i) => ({ ids, key: BigInt(i) })),
  maxNewTokens: Number(values.new),
  sampling: { temperature: 0 },
});
await policy.close();
console.log(
  JSON.stringify({
    model: path.basename(model),
    prompts: prompts.map((ids) => [...ids]),
    completions: groups.map(([rollout]) => [...rollout.completionIds]),
    texts: groups.map(([rollout]) => tokenizer.decode(rollout.completionIds)),
  }),
);
