// Trains the adapter of each tiny model for a few updates with the built engine, saves it as a PEFT folder, and writes the
// logprobs that the engine computes with it, for check_peft.py.
//
//   node test/golden/write_adapters.mjs OUT_FOLDER     writes OUT_FOLDER/<name>/adapter/ and OUT_FOLDER/<name>/logprobs.json
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const here = import.meta.dirname;
const require = createRequire(import.meta.url);
const names = ["gemma3", "phi3", "llama", "qwen2", "qwen3"];
let job = 0;

async function write(engine, name, out) {
  const golden = JSON.parse(readFileSync(join(here, "data", `${name}.json`), "utf8"));
  const policy = await engine.load(
    { model: join(here, "models", name), trainable: "lora", lora: { rank: 4, alpha: 8, seed: 1n }, threads: 1 },
    ++job,
  );
  const groups = golden.groups.map(({ prompt, completions }) => ({
    promptIds: Int32Array.from(prompt),
    completionIds: completions.map((ids) => Int32Array.from(ids)),
  }));
  const training = groups.map(({ promptIds, completionIds }) => ({
    promptIds,
    completions: completionIds.map((ids) => ({
      completionIds: ids,
      weights: new Float32Array(ids.length).fill(1 / golden.tokens),
    })),
  }));
  for (let step = 0; step < 8; ++step) {
    await policy.accumulate({ groups: training, loss: { kind: "supervised" } }, ++job);
    await policy.update({ learningRate: 0.02 }, ++job);
  }
  // A whole row of log-softmax besides: every token of the vocabulary after the first prompt.
  const vocabulary = policy.info().vocabularySize;
  groups.push({
    promptIds: groups[0].promptIds,
    completionIds: Array.from({ length: vocabulary }, (_, id) => Int32Array.of(id)),
  });
  const { logprobs } = await policy.score({ groups }, ++job);
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  await policy.saveAdapter(join(folder, "adapter"), `tiny-${name}`, ++job);
  policy.close();
  const record = {
    groups: groups.map((group) => ({
      prompt: [...group.promptIds],
      completions: group.completionIds.map((ids) => [...ids]),
    })),
    logprobs: logprobs.map((group) => group.map((values) => [...values])),
    temperature: 1,
  };
  writeFileSync(join(folder, "logprobs.json"), JSON.stringify(record));
  console.log(folder);
}

const out = process.argv[2];
if (out === undefined) {
  console.error("usage: node test/golden/write_adapters.mjs OUT_FOLDER");
  process.exitCode = 2;
} else {
  const engine = require("node-gyp-build")(join(here, "..", ".."));
  for (const name of names) await write(engine, name, out);
}
