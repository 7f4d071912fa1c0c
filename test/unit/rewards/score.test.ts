import { expect, test } from "vitest";
import { RlvrError } from "../../../src/errors.ts";
import { resolveRewards, rewardRegistry } from "../../../src/rewards/registry.ts";
import type { Reward } from "../../../src/rewards/reward.ts";
import { scoreRollouts } from "../../../src/rewards/score.ts";

const question = {
  id: "q7",
  question: "Which?",
  options: { A: "one", B: "two" },
  answer: "B",
  answerText: "two",
  subject: "",
  source: "",
};
const rollout = (text: string, index = 0) =>
  ({ text, finishReason: "stop", completionLength: text.length, rollout: index }) as const;
const never = () => Promise.reject(new Error("no module should be loaded"));

test("the paper's three rewards are summed with weight 1 and kept apart", async () => {
  const names = ["accuracy", "format", "xmlcount"];
  const rewards = await resolveRewards(
    names.map((name) => ({ name, weight: 1 })),
    never,
  );
  const texts = ["<think>x</think><answer>B</answer>", "<think>x</think><answer>A</answer>", "B"];
  const scores = await scoreRollouts([question], [texts.map(rollout)], rewards);
  expect(scores).toEqual([
    [
      { total: 5, parts: { accuracy: 2, format: 2, xmlcount: 1 } },
      { total: 3, parts: { accuracy: 0, format: 2, xmlcount: 1 } },
      { total: 0, parts: { accuracy: 0, format: 0, xmlcount: 0 } },
    ],
  ]);
});

test("weights count in the sum, not in the parts", async () => {
  const rewards = await resolveRewards(
    [
      { name: "accuracy", weight: 0.5 },
      { name: "xmlcount", weight: -2 },
    ],
    never,
  );
  const scores = await scoreRollouts([question], [[rollout("<answer>B</answer>")]], rewards);
  expect(scores[0]?.[0]).toEqual({ total: 0, parts: { accuracy: 2, xmlcount: 0.5 } });
});

test("a reward of the user may be asynchronous and sees the question, the length and the finish reason", async () => {
  const seen: unknown[] = [];
  const brief: Reward = async (text, asked, context) => {
    seen.push([text, asked.id, context]);
    return 1 / context.completionLength;
  };
  const scores = await scoreRollouts([question], [[rollout("four", 3)]], [{ name: "brief", weight: 2, reward: brief }]);
  expect(scores[0]?.[0]).toEqual({ total: 0.5, parts: { brief: 0.25 } });
  expect(seen).toEqual([["four", "q7", { finishReason: "stop", completionLength: 4, rollout: 3 }]]);
});

test("a module's reward is found by its name, by default, or by the export that is named", async () => {
  const module = { brief: () => 1, default: () => 2, other: () => 3 };
  const load = (entry: { name: string; export?: string }) =>
    resolveRewards([{ weight: 1, module: "./mine.js", ...entry }], async (path) => {
      expect(path).toBe("./mine.js");
      return module;
    });
  const context = { finishReason: "stop", completionLength: 1, rollout: 0 } as const;
  const value = async (entry: { name: string; export?: string }) =>
    (await load(entry))[0]?.reward("", question, context);
  expect(await value({ name: "brief" })).toBe(1);
  expect(await value({ name: "anything" })).toBe(2);
  expect(await value({ name: "brief", export: "other" })).toBe(3);
  await expect(load({ name: "brief", export: "missing" })).rejects.toThrow("no function under missing");
});

test("an unknown reward names the known ones", async () => {
  await expect(resolveRewards([{ name: "acuracy", weight: 1 }], never)).rejects.toThrow(
    `there is no reward "acuracy"; known: ${Object.keys(rewardRegistry).join(", ")}`,
  );
  await expect(resolveRewards([{ name: "constructor", weight: 1 }], never)).rejects.toThrow("there is no reward");
});

test.each([
  ["throws", () => Promise.reject(new Error("boom")), "threw: boom"],
  ["gives NaN", () => Number.NaN, "gave NaN; expected a finite number"],
  ["gives nothing", () => undefined as unknown as number, "gave undefined"],
])("a reward that %s stops the run and shows the completion", async (_what, reward, message) => {
  const error: unknown = await scoreRollouts(
    [question],
    [[rollout("the text", 2)]],
    [{ name: "mine", weight: 1, reward }],
  ).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RlvrError);
  const { code, message: text } = error as RlvrError;
  expect(code).toBe("RLVR_BAD_REWARD");
  expect(text).toContain('"mine" on question q7, rollout 2');
  expect(text).toContain(message);
  expect(text).toContain('completion: "the text"');
});
