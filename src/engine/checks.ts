// Arguments of Policy's methods, checked before any native call: TypeError for a wrong kind, RangeError for a wrong value.
import type {
  AccumulateRequest,
  ChoicesRequest,
  GenerateRequest,
  LoadOptions,
  LogprobsRequest,
  Prefix,
  Sampling,
  TokenLoss,
  TrainingCompletion,
  TrainingGroup,
  UpdateRequest,
  Workload,
} from "../native/types.ts";

const maxUint64 = (1n << 64n) - 1n;

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object") return value.constructor?.name ?? "an object";
  return typeof value === "function" ? "a function" : `${typeof value} ${String(value)}`;
}

function wrongType(name: string, value: unknown, expected: string): never {
  throw new TypeError(`[policy] ${name} is ${describe(value)}; expected ${expected}.`);
}

function outOfRange(name: string, value: unknown, expected: string): never {
  throw new RangeError(`[policy] ${name} is ${String(value)}; expected ${expected}.`);
}

function checkObject(value: unknown, name: string): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) wrongType(name, value, "an object");
}

function checkList<T>(values: T[], name: string, check: (value: T, name: string) => void): void {
  if (!Array.isArray(values)) wrongType(name, values, "an array");
  for (const [i, value] of values.entries()) check(value, `${name}[${i}]`);
}

function checkNumber(value: number | undefined, name: string, holds: (x: number) => boolean, expected: string): void {
  if (value === undefined) return;
  if (typeof value !== "number") wrongType(name, value, "a number");
  if (!holds(value)) outOfRange(name, value, expected);
}

const checkCount = (value: number | undefined, name: string, least: number) =>
  checkNumber(value, name, (x) => Number.isSafeInteger(x) && x >= least, `a whole number from ${least}`);

const checkNonNegative = (value: number | undefined, name: string) =>
  checkNumber(value, name, (x) => Number.isFinite(x) && x >= 0, "a finite number from 0");

const checkShare = (value: number | undefined, name: string) =>
  checkNumber(value, name, (x) => x >= 0 && x <= 1, "a number from 0 to 1");

function checkUint64(value: bigint | undefined, name: string): void {
  if (value === undefined) return;
  if (typeof value !== "bigint") wrongType(name, value, "a bigint");
  if (value < 0n || value > maxUint64) outOfRange(name, value, "an unsigned 64-bit value");
}

function checkString(value: string | undefined, name: string): void {
  if (value !== undefined && typeof value !== "string") wrongType(name, value, "a string");
}

function checkChoice(value: string | undefined, name: string, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value)) return;
  const expected = `one of ${choices.map((choice) => `"${choice}"`).join(", ")}`;
  if (typeof value !== "string") wrongType(name, value, expected);
  outOfRange(name, JSON.stringify(value), expected);
}

function checkBoolean(value: boolean | undefined, name: string): void {
  if (value !== undefined && typeof value !== "boolean") wrongType(name, value, "a boolean");
}

function checkIds(value: Int32Array, name: string): void {
  if (!(value instanceof Int32Array)) wrongType(name, value, "an Int32Array of token ids");
}

function checkPromptIds(value: Int32Array, name: string): void {
  checkIds(value, name);
  if (value.length === 0) throw new RangeError(`[policy] ${name} is empty; expected at least one token id.`);
}

function checkPerToken(value: Float32Array | undefined, name: string, tokens: number): void {
  if (value === undefined) return;
  if (!(value instanceof Float32Array)) wrongType(name, value, "a Float32Array");
  if (value.length !== tokens) outOfRange(`${name}.length`, value.length, `${tokens}, one value a token`);
}

function checkSampling(sampling: Sampling | undefined, name: string): void {
  if (sampling === undefined) return;
  checkObject(sampling, name);
  checkNonNegative(sampling.temperature, `${name}.temperature`);
  checkCount(sampling.topK, `${name}.topK`, 0);
  checkNumber(sampling.topP, `${name}.topP`, (x) => x > 0 && x <= 1, "a number above 0, at most 1");
  checkShare(sampling.minP, `${name}.minP`);
}

export function checkLoadOptions(options: LoadOptions): void {
  checkObject(options, "options");
  if (typeof options.model !== "string") wrongType("options.model", options.model, "a path");
  if (options.model === "") throw new RangeError("[policy] options.model is empty; expected a folder or a .gguf file.");
  checkString(options.device, "options.device");
  checkString(options.adapter, "options.adapter");
  checkNumber(
    options.threads,
    "options.threads",
    (x) => Number.isInteger(x) && x >= 0 && x <= 4096,
    "a whole number from 0 to 4096",
  );
  checkCount(options.memoryLimitBytes, "options.memoryLimitBytes", 0);
  checkCount(options.maxBatchRows, "options.maxBatchRows", 1);
  checkCount(options.maxLive, "options.maxLive", 1);
  checkCount(options.headChunkBytes, "options.headChunkBytes", 1);
  checkChoice(options.trainable, "options.trainable", ["none", "lora", "full"]);
  if (options.lora === undefined) return;
  checkObject(options.lora, "options.lora");
  const { rank, alpha, rslora, targets, seed } = options.lora;
  checkCount(rank, "options.lora.rank", 1);
  checkNumber(alpha, "options.lora.alpha", (x) => Number.isFinite(x) && x > 0, "a finite number above 0");
  checkBoolean(rslora, "options.lora.rslora");
  if (targets !== undefined) checkList(targets, "options.lora.targets", checkString);
  if (typeof seed === "number") checkCount(seed, "options.lora.seed", 0);
  else checkUint64(seed, "options.lora.seed");
}

export function checkWorkload(workload: Workload): void {
  checkObject(workload, "workload");
  const check = (value: number, name: string) => {
    if (value === undefined) wrongType(name, value, "a whole number");
    checkNumber(value, name, (x) => Number.isInteger(x) && x >= 1 && x <= 2 ** 24, "a whole number from 1 to 2^24");
  };
  check(workload.promptTokens, "workload.promptTokens");
  check(workload.completionTokens, "workload.completionTokens");
  if (workload.generate !== undefined)
    checkList(workload.generate, "workload.generate", (call, name) => {
      checkObject(call, name);
      check(call.prompts, `${name}.prompts`);
      check(call.rollouts, `${name}.rollouts`);
    });
  for (const key of ["logprobs", "accumulate"] as const) {
    const call = workload[key];
    if (call === undefined) continue;
    checkObject(call, `workload.${key}`);
    check(call.groups, `workload.${key}.groups`);
    check(call.completions, `workload.${key}.completions`);
  }
}

/** Prefixes, each after the one that it continues: a cycle cannot be written. */
function checkPrefixes(prefixes: Prefix[] | undefined): void {
  if (prefixes === undefined) return;
  checkList(prefixes, "request.prefixes", checkObject);
  for (const [i, { ids, parent }] of prefixes.entries()) {
    checkPromptIds(ids, `request.prefixes[${i}].ids`);
    const expected = i === 0 ? "none: it is the first" : `the index of an earlier prefix, 0 to ${i - 1}`;
    const isEarlier = (x: number) => Number.isInteger(x) && x >= 0 && x < i;
    checkNumber(parent, `request.prefixes[${i}].parent`, isEarlier, expected);
  }
}

function checkPrefixOf(owner: { prefix?: number }, name: string, prefixes: Prefix[] = []): void {
  const exists = (x: number) => Number.isInteger(x) && x >= 0 && x < prefixes.length;
  const expected = `the index of one of ${prefixes.length} prefixes`;
  checkNumber(owner.prefix, `${name}.prefix`, exists, expected);
}

export function checkGenerateRequest(request: GenerateRequest): void {
  checkObject(request, "request");
  checkPrefixes(request.prefixes);
  checkList(request.prompts, "request.prompts", (prompt, name) => {
    checkObject(prompt, name);
    checkPromptIds(prompt.ids, `${name}.ids`);
    if (prompt.key === undefined) wrongType(`${name}.key`, prompt.key, "a bigint");
    checkUint64(prompt.key, `${name}.key`);
    checkPrefixOf(prompt, name, request.prefixes);
    checkCount(prompt.maxNewTokens, `${name}.maxNewTokens`, 1);
  });
  checkCount(request.rollouts, "request.rollouts", 1);
  checkCount(request.maxNewTokens, "request.maxNewTokens", 1);
  checkSampling(request.sampling, "request.sampling");
  if (request.stopIds !== undefined)
    checkList(request.stopIds, "request.stopIds", (id, name) => checkCount(id, name, 0));
  checkUint64(request.seed, "request.seed");
  checkBoolean(request.adapter, "request.adapter");
}

export function checkLogprobsRequest(request: LogprobsRequest): void {
  checkObject(request, "request");
  checkPrefixes(request.prefixes);
  checkList(request.groups, "request.groups", (group, name) => {
    checkObject(group, name);
    checkPromptIds(group.promptIds, `${name}.promptIds`);
    checkPrefixOf(group, name, request.prefixes);
    checkList(group.completionIds, `${name}.completionIds`, checkIds);
  });
  checkSampling(request.sampling, "request.sampling");
  checkBoolean(request.adapter, "request.adapter");
}

export function checkChoicesRequest(request: ChoicesRequest): void {
  checkObject(request, "request");
  checkPrefixes(request.prefixes);
  checkList(request.questions, "request.questions", (question, name) => {
    checkObject(question, name);
    checkPromptIds(question.promptIds, `${name}.promptIds`);
    checkPrefixOf(question, name, request.prefixes);
    checkList(question.choices, `${name}.choices`, checkPromptIds);
    if (question.choices.length === 0) {
      throw new RangeError(`[policy] ${name}.choices is empty; expected at least one answer option.`);
    }
  });
  checkBoolean(request.adapter, "request.adapter");
}

function checkLoss(loss: TokenLoss): void {
  checkObject(loss, "request.loss");
  if (loss.kind === undefined) wrongType("request.loss.kind", loss.kind, "a loss kind");
  checkChoice(loss.kind, "request.loss.kind", ["policy", "supervised", "given"]);
  checkChoice(loss.kl, "request.loss.kl", ["k1", "k2", "k3"]);
  checkNonNegative(loss.epsilonLow, "request.loss.epsilonLow");
  checkNonNegative(loss.epsilonHigh, "request.loss.epsilonHigh");
  checkNonNegative(loss.delta, "request.loss.delta");
  checkNonNegative(loss.beta, "request.loss.beta");
  checkNonNegative(loss.logRatioClamp, "request.loss.logRatioClamp");
}

/** The arrays that a loss reads of each completion. */
function readBy(loss: TokenLoss): (keyof TrainingCompletion)[] {
  if (loss.kind === "supervised") return ["weights"];
  if (loss.kind === "given") return ["weights", "advantages"];
  return ["weights", "advantages", "oldLogprobs", ...(loss.beta ? (["refLogprobs"] as const) : [])];
}

function checkTrainingGroup(group: TrainingGroup, name: string, loss: TokenLoss): void {
  checkObject(group, name);
  checkPromptIds(group.promptIds, `${name}.promptIds`);
  checkPerToken(group.promptWeights, `${name}.promptWeights`, group.promptIds.length);
  checkList(group.completions, `${name}.completions`, (completion, label) => {
    checkObject(completion, label);
    checkIds(completion.completionIds, `${label}.completionIds`);
    for (const key of readBy(loss)) {
      if (completion[key] === undefined) {
        throw new TypeError(
          `[policy] ${label}.${key} is undefined; the "${loss.kind}" loss reads a Float32Array there.`,
        );
      }
    }
    for (const key of ["oldLogprobs", "refLogprobs", "advantages", "weights"] as const) {
      checkPerToken(completion[key], `${label}.${key}`, completion.completionIds.length);
    }
  });
}

export function checkAccumulateRequest(request: AccumulateRequest): void {
  checkObject(request, "request");
  checkLoss(request.loss);
  checkSampling(request.sampling, "request.sampling");
  checkList(request.groups, "request.groups", (group, name) => checkTrainingGroup(group, name, request.loss));
}

export function checkUpdateRequest(request: UpdateRequest): void {
  checkObject(request, "request");
  if (request.learningRate === undefined) wrongType("request.learningRate", undefined, "a number");
  checkNonNegative(request.learningRate, "request.learningRate");
  checkNumber(request.beta1, "request.beta1", (x) => x >= 0 && x < 1, "a number from 0, below 1");
  checkNumber(request.beta2, "request.beta2", (x) => x >= 0 && x < 1, "a number from 0, below 1");
  checkNonNegative(request.eps, "request.eps");
  checkNonNegative(request.weightDecay, "request.weightDecay");
  checkNonNegative(request.maxGradNorm, "request.maxGradNorm");
}

export function checkMaxZones(value: number): void {
  if (typeof value !== "number") wrongType("maxZones", value, "a number");
  const most = 10_000_000;
  if (!Number.isInteger(value) || value < 0 || value > most) outOfRange("maxZones", value, `a whole number to ${most}`);
}

export function checkPath(value: string, name: string): void {
  if (typeof value !== "string") wrongType(name, value, "a path");
  if (value === "") throw new RangeError(`[policy] ${name} is empty; expected a path.`);
}

export function checkName(value: string, name: string): void {
  if (typeof value !== "string") wrongType(name, value, "a string");
}

export function checkValues(value: Float64Array, name: string): void {
  if (!(value instanceof Float64Array)) wrongType(name, value, "a Float64Array");
}

export function checkWeightType(value: string, name: string): void {
  if (value === undefined) wrongType(name, value, '"F32" or "BF16"');
  checkChoice(value, name, ["F32", "BF16"]);
}
