// Times prefill: logits of the last token of each prompt, all other rows only through the layers.
//   node bench/prefill.mjs MODEL [--shapes 1x512,4x128] [--repeats 5] [--threads 2] [--json]
import { parseArgs } from "node:util";
import { loadTokenizer, Policy } from "../dist/index.js";
import { median, seconds, startMeter } from "./meter.mjs";
import { vignettes } from "./prompts.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shapes: { type: "string", default: "1x512,4x128" },
    repeats: { type: "string", default: "5" },
    threads: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error("usage: node bench/prefill.mjs MODEL [--shapes PROMPTSxTOKENS,...] [--repeats N] [--json]");
  process.exit(2);
}
const [model] = positionals;
const tokenizer = await loadTokenizer(model);
const policy = await Policy.load({ model, threads: Number(values.threads) });

const results = [];
for (const shape of values.shapes.split(",")) {
  const [prompts, tokens] = shape.split("x").map(Number);
  // The last row predicts one more token, whose logprob is asked for; it is not computed itself.
  const groups = vignettes(tokenizer, prompts, tokens).map((promptIds) => ({
    promptIds,
    completionIds: [promptIds.slice(0, 1)],
  }));
  const { counters } = await policy.logprobs({ groups });
  const stop = startMeter();
  const times = [];
  for (let i = 0; i < Number(values.repeats); i++) {
    const start = seconds();
    await policy.logprobs({ groups });
    times.push(seconds() - start);
  }
  const { foreignCpu } = stop();
  const rows = prompts * tokens;
  if (counters.tokensComputed < rows) {
    throw new Error(`[prefill] ${counters.tokensComputed} rows were computed; expected ${rows}`);
  }
  results.push({ prompts, tokens, tokensPerSecond: rows / median(times), seconds: times, foreignCpu });
}

await policy.close();

if (values.json) {
  const { threads, isa } = policy.info;
  console.log(JSON.stringify({ benchmark: "prefill", model: model.split("/").pop(), threads, isa, results }));
} else {
  for (const run of results) {
    console.log(
      `${run.prompts} x ${run.tokens} tokens ${run.tokensPerSecond.toFixed(0).padStart(6)} tok/s, ` +
        `foreign CPU ${(100 * run.foreignCpu).toFixed(1)} %`,
    );
  }
}
