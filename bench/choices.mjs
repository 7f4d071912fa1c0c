// Times multiple-choice scoring of one subject: the questions behind one 5-shot header, computed once or with each question.
//   node bench/choices.mjs MODEL [--header 640] [--questions 16] [--prompt 96] [--repeats 2] [--threads 2] [--json]
// Both ways give the same scores, bit for bit; the program fails if they do not.
import { parseArgs } from "node:util";
import { loadTokenizer, Policy } from "../dist/index.js";
import { median, seconds, startMeter } from "./meter.mjs";
import { vignettes } from "./prompts.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    header: { type: "string", default: "640" },
    questions: { type: "string", default: "16" },
    prompt: { type: "string", default: "96" },
    repeats: { type: "string", default: "2" },
    threads: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error("usage: node bench/choices.mjs MODEL [--header N] [--questions N] [--prompt N] [--repeats N] [--json]");
  process.exit(2);
}
const [model] = positionals;
const count = Number(values.questions);
const tokenizer = await loadTokenizer(model);
const policy = await Policy.load({ model, threads: Number(values.threads) });

const [header] = vignettes(tokenizer, 1, Number(values.header));
const prompts = vignettes(tokenizer, count + 1, Number(values.prompt)).slice(1);
const choices = [" A", " B", " C", " D"].map((text) => tokenizer.encode(text).slice(-1));
const joined = (ids) => Int32Array.from([...header, ...ids]);
const ways = {
  shared: {
    prefixes: [{ ids: header }],
    questions: prompts.map((promptIds) => ({ prefix: 0, promptIds, choices })),
  },
  separate: { questions: prompts.map((promptIds) => ({ promptIds: joined(promptIds), choices })) },
};

const times = { shared: [], separate: [] };
const scores = {};
const rows = {};
for (const [way, request] of Object.entries(ways)) {
  await policy.scoreChoices({ ...request, questions: request.questions.slice(0, 1) });
  rows[way] = 0;
}
const stop = startMeter();
for (let i = 0; i < Number(values.repeats); i++) {
  for (const [way, request] of Object.entries(ways)) {
    const start = seconds();
    const result = await policy.scoreChoices(request);
    times[way].push(seconds() - start);
    scores[way] = result.scores.map((values_) => [...values_]);
    rows[way] = result.counters.tokensComputed;
  }
}
const { foreignCpu } = stop();
const { threads, isa } = policy.info;
await policy.close();
if (JSON.stringify(scores.shared) !== JSON.stringify(scores.separate)) {
  throw new Error("[choices] a shared header changes the scores; expected the same bits");
}
const perSecond = (way) => count / median(times[way]);
const result = {
  benchmark: "choices",
  model: model.split("/").pop(),
  threads,
  isa,
  shape: { header: header.length, questions: count, prompt: Number(values.prompt), choices: choices.length },
  sharedQuestionsPerSecond: perSecond("shared"),
  separateQuestionsPerSecond: perSecond("separate"),
  tokensComputed: rows,
  foreignCpu,
};
if (values.json) {
  console.log(JSON.stringify(result));
} else {
  console.log(
    `${count} questions of ${values.prompt} tokens behind ${header.length}: header once ` +
      `${result.sharedQuestionsPerSecond.toFixed(2)} questions/s (${rows.shared} rows), with each ` +
      `${result.separateQuestionsPerSecond.toFixed(2)} (${rows.separate} rows), foreign CPU ${(100 * foreignCpu).toFixed(1)} %`,
  );
}
