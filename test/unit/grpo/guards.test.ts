import { expect, test } from "vitest";
import { formOnly, formOnlyWindow, klAlarm, noSignal, tooShort } from "../../../src/grpo/guards.ts";
import { groupStatistics } from "../../../src/grpo/statistics.ts";

const score = (accuracy: number, format: number) => ({ total: accuracy + format, parts: { accuracy, format } });
const dead = [
  [score(0, 1), score(0, 1)],
  [score(0, 0), score(0, 0)],
];
const formAlone = [
  [score(0, 2), score(0, 0)],
  [score(0, 0), score(0, 0)],
];
const alive = [
  [score(2, 2), score(0, 0)],
  [score(0, 1), score(0, 1)],
];

test("statistics of a step tell means, spread and the share of groups that teach", () => {
  expect(groupStatistics(alive)).toEqual({
    reward: 1.5,
    rewardStd: Math.SQRT2,
    rewards: { accuracy: 0.5, format: 1 },
    informativeGroups: 0.5,
    spreadOf: { accuracy: 0.5, format: 0.5 },
  });
});

test("a group whose rewards differ only within the sum is not informative", () => {
  const cancels = [
    [
      { total: 2, parts: { accuracy: 2, format: 0 } },
      { total: 2, parts: { accuracy: 0, format: 2 } },
    ],
  ];
  expect(groupStatistics(cancels)).toMatchObject({ informativeGroups: 0, spreadOf: { accuracy: 1, format: 1 } });
});

test("a pre-flight without any spread says that training would change nothing", () => {
  const message = noSignal(groupStatistics(dead), 2, 2);
  expect(message).toContain("every rollout of each of 2 groups (2 rollouts a question) got the same reward");
  expect(message).toContain("accuracy 0.00, format 0.50");
  expect(message).toContain("prompt.shots");
  expect(noSignal(groupStatistics(alive), 2, 2)).toBeUndefined();
});

test("cut-off rollouts are reported above one in five", () => {
  expect(tooShort(0.2, 128)).toBeUndefined();
  expect(tooShort(0.5, 128)).toContain("50 % of the rollouts were cut off at 128 tokens");
});

test("the reward is format only when form alone differs for a whole window", () => {
  const window = Array.from({ length: formOnlyWindow }, () => groupStatistics(formAlone));
  expect(formOnly(window)).toContain("the reward is format only");
  expect(formOnly(window.slice(1))).toBeUndefined();
  expect(formOnly([...window.slice(1), groupStatistics(alive)])).toBeUndefined();
  expect(formOnly(window.map(() => groupStatistics(dead)))).toBeUndefined();
});

test("a KL that left the useful range is reported, NaN too", () => {
  expect(klAlarm(0.3)).toBeUndefined();
  expect(klAlarm(1.3e8)).toContain("1.30e+8");
  expect(klAlarm(Number.NaN)).toContain("NaN");
});
