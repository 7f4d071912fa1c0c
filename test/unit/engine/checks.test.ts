import { describe, expect, test } from "vitest";
import {
  checkAccumulateRequest,
  checkChoicesRequest,
  checkGenerateRequest,
  checkLoadOptions,
  checkLogprobsRequest,
  checkUpdateRequest,
} from "../../../src/engine/checks.ts";
import type { AccumulateRequest, GenerateRequest } from "../../../src/native/types.ts";

const anything = (value: unknown) => value as never;
const ids = Int32Array.of(1, 2, 3);

const generate = (change: object): GenerateRequest => ({ prompts: [{ ids, key: 1n }], ...change });

const accumulate = (completion: object, loss: object = {}): AccumulateRequest => ({
  groups: [{ promptIds: ids, completions: [{ completionIds: ids, weights: new Float32Array(3), ...completion }] }],
  loss: { kind: "supervised", ...loss },
});

const policyParts = { oldLogprobs: new Float32Array(3), advantages: new Float32Array(3) };

describe("right arguments pass", () => {
  test("of every method", () => {
    checkLoadOptions({ model: "folder" });
    checkLoadOptions({
      model: "f",
      threads: 2,
      trainable: "lora",
      lora: { rank: 4, alpha: 8, seed: 3n, targets: ["q"] },
    });
    checkGenerateRequest(generate({ sampling: { temperature: 0, topK: 0, topP: 1, minP: 0 }, seed: (1n << 64n) - 1n }));
    checkLogprobsRequest({ groups: [{ promptIds: ids, completionIds: [ids, new Int32Array()] }] });
    const prefixes = [{ ids }, { ids, parent: 0 }, { ids }];
    checkGenerateRequest({ prefixes, prompts: [{ ids, key: 1n, prefix: 2, maxNewTokens: 1 }] });
    checkLogprobsRequest({ prefixes, groups: [{ prefix: 0, promptIds: ids, completionIds: [ids] }] });
    checkChoicesRequest({ prefixes, questions: [{ prefix: 1, promptIds: ids, choices: [ids, Int32Array.of(1)] }] });
    checkAccumulateRequest(accumulate({}));
    checkAccumulateRequest(accumulate(policyParts, { kind: "policy" }));
    checkUpdateRequest({ learningRate: 0 });
  });
});

describe("a wrong kind is a TypeError that names the argument", () => {
  test.each<[string, () => void]>([
    ["options is undefined", () => checkLoadOptions(anything(undefined))],
    ["options.model is number 3", () => checkLoadOptions({ model: anything(3) })],
    ['options.threads is "2"', () => checkLoadOptions({ model: "f", threads: anything("2") })],
    ["options.lora.targets[0] is number 1", () => checkLoadOptions({ model: "f", lora: anything({ targets: [1] }) })],
    ["request.prompts is Set", () => checkGenerateRequest(generate({ prompts: new Set() }))],
    ["request.prompts[0].ids is Array", () => checkGenerateRequest(generate({ prompts: [{ ids: [1], key: 1n }] }))],
    [
      "request.prompts[0].ids is Uint32Array",
      () => checkGenerateRequest(generate({ prompts: [{ ids: new Uint32Array(1), key: 1n }] })),
    ],
    ["request.prompts[0].key is number 1", () => checkGenerateRequest(generate({ prompts: [{ ids, key: 1 }] }))],
    ["request.prompts[0].key is undefined", () => checkGenerateRequest(generate({ prompts: [{ ids }] }))],
    ["request.seed is number 1", () => checkGenerateRequest(generate({ seed: 1 }))],
    ['request.adapter is "no"', () => checkGenerateRequest(generate({ adapter: "no" }))],
    ["request.stopIds is number 2", () => checkGenerateRequest(generate({ stopIds: 2 }))],
    [
      "request.groups[0].completionIds is Int32Array",
      () => checkLogprobsRequest({ groups: [{ promptIds: ids, completionIds: anything(ids) }] }),
    ],
    [
      "request.groups[0].completions[0].weights is Float64Array",
      () => checkAccumulateRequest(accumulate({ weights: new Float64Array(3) })),
    ],
    ["request.prefixes[0] is number 3", () => checkGenerateRequest(generate({ prefixes: [3] }))],
    ["request.prefixes[0].ids is undefined", () => checkGenerateRequest(generate({ prefixes: [{}] }))],
    ["request.questions is undefined", () => checkChoicesRequest(anything({}))],
    [
      "request.questions[0].choices[0] is Array",
      () => checkChoicesRequest({ questions: [{ promptIds: ids, choices: anything([[1]]) }] }),
    ],
    ["request.loss.kind is undefined", () => checkAccumulateRequest(accumulate({}, { kind: undefined }))],
    ["request.learningRate is undefined", () => checkUpdateRequest(anything({}))],
  ])("%s", (start, check) => {
    expect(check).toThrow(TypeError);
    expect(check).toThrow(`[policy] ${start}; expected `);
  });
});

describe("a wrong value is a RangeError that names the argument", () => {
  test.each<[string, () => void]>([
    ["options.model is empty", () => checkLoadOptions({ model: "" })],
    ["options.threads is -1", () => checkLoadOptions({ model: "f", threads: -1 })],
    ['options.trainable is "some"', () => checkLoadOptions({ model: "f", trainable: anything("some") })],
    ["options.lora.rank is 0", () => checkLoadOptions({ model: "f", lora: { rank: 0, alpha: 1 } })],
    ["options.lora.alpha is Infinity", () => checkLoadOptions({ model: "f", lora: { rank: 1, alpha: Infinity } })],
    [
      "request.prompts[0].ids is empty",
      () => checkGenerateRequest(generate({ prompts: [{ ids: new Int32Array(), key: 1n }] })),
    ],
    ["request.prompts[0].key is -1", () => checkGenerateRequest(generate({ prompts: [{ ids, key: -1n }] }))],
    ["request.rollouts is 0", () => checkGenerateRequest(generate({ rollouts: 0 }))],
    ["request.maxNewTokens is 1.5", () => checkGenerateRequest(generate({ maxNewTokens: 1.5 }))],
    [
      "request.sampling.temperature is NaN",
      () => checkGenerateRequest(generate({ sampling: { temperature: Number.NaN } })),
    ],
    ["request.sampling.topP is 0", () => checkGenerateRequest(generate({ sampling: { topP: 0 } }))],
    ["request.sampling.minP is 2", () => checkGenerateRequest(generate({ sampling: { minP: 2 } }))],
    [
      "request.groups[0].promptIds is empty",
      () => checkLogprobsRequest({ groups: [{ promptIds: new Int32Array(), completionIds: [] }] }),
    ],
    [
      "request.groups[0].completions[0].weights.length is 2",
      () => checkAccumulateRequest(accumulate({ weights: new Float32Array(2) })),
    ],
    [
      "request.prefixes[0].ids is empty",
      () => checkGenerateRequest(generate({ prefixes: [{ ids: new Int32Array() }] })),
    ],
    ["request.prefixes[0].parent is 0", () => checkGenerateRequest(generate({ prefixes: [{ ids, parent: 0 }] }))],
    [
      "request.prefixes[1].parent is 2",
      () => checkGenerateRequest(generate({ prefixes: [{ ids }, { ids, parent: 2 }, { ids, parent: 1 }] })),
    ],
    [
      "request.prefixes[1].parent is -1",
      () => checkGenerateRequest(generate({ prefixes: [{ ids }, { ids, parent: -1 }] })),
    ],
    [
      "request.prompts[0].prefix is 0",
      () => checkGenerateRequest(generate({ prompts: [{ ids, key: 1n, prefix: 0 }] })),
    ],
    [
      "request.prompts[0].maxNewTokens is 0",
      () => checkGenerateRequest(generate({ prompts: [{ ids, key: 1n, maxNewTokens: 0 }] })),
    ],
    [
      "request.groups[0].prefix is 1",
      () => checkLogprobsRequest({ prefixes: [{ ids }], groups: [{ prefix: 1, promptIds: ids, completionIds: [] }] }),
    ],
    [
      "request.questions[0].choices is empty",
      () => checkChoicesRequest({ questions: [{ promptIds: ids, choices: [] }] }),
    ],
    [
      "request.questions[0].choices[1] is empty",
      () => checkChoicesRequest({ questions: [{ promptIds: ids, choices: [ids, new Int32Array()] }] }),
    ],
    [
      "request.questions[0].prefix is 0.5",
      () => checkChoicesRequest({ prefixes: [{ ids }], questions: [{ prefix: 0.5, promptIds: ids, choices: [ids] }] }),
    ],
    ["request.loss.beta is -0.1", () => checkAccumulateRequest(accumulate({}, { beta: -0.1 }))],
    ["request.learningRate is NaN", () => checkUpdateRequest({ learningRate: Number.NaN })],
    ["request.beta2 is 1", () => checkUpdateRequest({ learningRate: 1, beta2: 1 })],
  ])("%s", (start, check) => {
    expect(check).toThrow(RangeError);
    expect(check).toThrow(`[policy] ${start}`);
  });
});

describe("a loss needs the arrays that it reads", () => {
  test.each<[string, AccumulateRequest]>([
    ["oldLogprobs", accumulate({ advantages: new Float32Array(3) }, { kind: "policy" })],
    ["advantages", accumulate({ oldLogprobs: new Float32Array(3) }, { kind: "policy" })],
    ["refLogprobs", accumulate(policyParts, { kind: "policy", beta: 0.04 })],
    ["advantages", accumulate({}, { kind: "given" })],
  ])("%s", (key, request) => {
    expect(() => checkAccumulateRequest(request)).toThrow(new RegExp(`\\.${key} is undefined; the "\\w+" loss reads`));
  });

  test("supervised needs weights alone", () => {
    expect(() => checkAccumulateRequest(accumulate({ weights: undefined }))).toThrow(TypeError);
  });
});
