import { describe, expect, it } from "vitest";
import {
  baseMixture,
  carefulMixture,
  completionText,
  drawCompletion,
  think,
} from "../../../src/embedded/completions.ts";
import { type PatientCard, patientCard, toQuestion } from "../../../src/embedded/patient-cards.ts";
import { Draws } from "../../../src/embedded/philox.ts";
import { accuracy, format, xmlcount } from "../../../src/rewards/paper.ts";

const card: PatientCard = {
  items: [
    { name: "T", value: "37.1", flag: "ok", findings: { high: "fever", low: "hypothermia" } },
    { name: "BP", value: "126", flag: "ok", findings: { high: "hypertension", low: "hypotension" } },
    { name: "glucose", value: "2.1", flag: "low", findings: { high: "hyperglycemia", low: "hypoglycemia" } },
  ],
  options: { A: "hyperglycemia", B: "hypertension", C: "hypoglycemia", D: "bradycardia" },
  answer: "C",
};
const question = toQuestion(card, "test");
const draws = () => new Draws(1, 0, 0);

const context = { finishReason: "stop", completionLength: 1, rollout: 0 } as const;
const paperRewards = (text: string, asked = question) =>
  [accuracy, format, xmlcount].map((reward) => reward(text, asked, context));

describe("a careful thought", () => {
  it("reads each value, names the finding, and goes through the options until one fits", () => {
    expect(think(card, "right", draws())).toEqual({
      letter: "C",
      text: [
        "T 37.1 ok, BP 126 ok, glucose 2.1 low. So hypoglycemia.",
        "A. hyperglycemia no",
        "B. hypertension no",
        "C. hypoglycemia yes",
      ].join("\n"),
    });
  });

  it("with a wrong flag ends at a wrong option that the flag explains", () => {
    const seen = new Set<string>();
    for (let index = 0; index < 50; index++) seen.add(think(card, "wrong", new Draws(1, 0, index)).text);
    expect([...seen].sort()).toEqual([
      "T 37.1 ok, BP 126 high, glucose 2.1 ok. So hypertension.\nA. hyperglycemia no\nB. hypertension yes",
      "T 37.1 ok, BP 126 ok, glucose 2.1 high. So hyperglycemia.\nA. hyperglycemia yes",
    ]);
  });

  it("can go wrong on every card", () => {
    for (let index = 0; index < 500; index++) {
      const other = patientCard(3, "train", index);
      expect(think(other, "wrong", draws()).letter).not.toBe(other.answer);
      expect(think(other, "right", draws()).letter).toBe(other.answer);
    }
  });
});

describe("the forms", () => {
  const thought = { text: "I guess C. hypoglycemia.", letter: "C" } as const;
  // accuracy, format, xmlcount: the paper's three rewards.
  it.each([
    ["strict", 2, 2, 1],
    ["no tags", 0, 0, 0],
    ["unclosed thought", 2, 0, 0.75],
    ["no thought", 2, 0, 0.5],
    ["prose answer", 0, 0, 0.5],
    ["unclosed answer", 0, 0, 0.75],
    ["blank line between blocks", 2, 0, 1],
  ] as const)("%s earns accuracy %d, format %d, xmlcount %d", (form, ...scores) => {
    expect(paperRewards(completionText(thought, form))).toEqual(scores);
  });
});

describe("the mixture", () => {
  const shares = (mixture: typeof baseMixture) => {
    let accurate = 0;
    let strict = 0;
    for (let index = 0; index < 4000; index++) {
      const drawn = patientCard(4, "pretrain", index);
      const text = drawCompletion(drawn, mixture, new Draws(4, 9, index));
      const scores = paperRewards(text, toQuestion(drawn, `${index}`));
      if (scores[0] === 2) accurate++;
      if (scores[1] === 2) strict++;
    }
    return { accurate: accurate / 4000, strict: strict / 4000 };
  };

  it("leaves reinforcement learning room: about a third well formed, about a third right in the tags", () => {
    const { accurate, strict } = shares(baseMixture);
    expect(strict).toBeCloseTo(0.35, 1);
    expect(accurate).toBeGreaterThan(0.28);
    expect(accurate).toBeLessThan(0.4);
  });

  it("is right and well formed throughout in the first part of the curriculum", () => {
    expect(shares(carefulMixture)).toEqual({ accurate: 1, strict: 1 });
  });
});
