import { describe, expect, it } from "vitest";
import { type Question, questionLines } from "../../../src/data/question.ts";
import { findingOf, type PatientCard, patientCard, patientCards } from "../../../src/embedded/patient-cards.ts";

const cards = Array.from({ length: 2000 }, (_, index) => patientCard(5, "train", index));
const presentOn = (card: PatientCard) => card.items.map(findingOf).filter((finding) => finding !== undefined);

describe("patient cards", () => {
  it("are the same rows for the same seed and place, wherever the range starts", () => {
    const rows = patientCards({ seed: 11, split: "train", count: 20 });
    expect(patientCards({ seed: 11, split: "train", count: 5, start: 12 })).toEqual(rows.slice(12, 17));
    expect(patientCards({ seed: 12, split: "train", count: 20 })).not.toEqual(rows);
  });

  it("look like this", () => {
    const [row] = patientCards({ seed: 11, split: "train", count: 1 }) as [Question];
    expect(row.id).toBe("patient-cards/train/11/0");
    expect(questionLines(row)).toMatch(
      /^Card: \S+ [\d.]+, \S+ [\d.]+, \S+ [\d.]+\.\nWhich finding is present\?\nA\. \w+\nB\. \w+\nC\. \w+\nD\. \w+$/,
    );
    expect(row.answerText).toBe(row.options[row.answer]);
  });

  it("show exactly one abnormal value, whose finding is the answer and the only right option", () => {
    for (const card of cards) {
      expect(presentOn(card)).toEqual([card.options[card.answer]]);
      expect(new Set(Object.values(card.options)).size).toBe(4);
      expect(new Set(card.items.map(({ name }) => name)).size).toBe(3);
    }
  });

  it("always offer a wrong option about a value on the card, so that values must be read and not only matched", () => {
    for (const card of cards) {
      const about = new Set(card.items.flatMap(({ findings }) => Object.values(findings)));
      expect(Object.values(card.options).filter((option) => about.has(option)).length).toBeGreaterThan(1);
    }
  });

  it("keep abnormal values clear of normal ones", () => {
    const flagOf = new Map<string, Set<string>>();
    for (const { items } of cards) {
      for (const { name, value, flag } of items) {
        const key = `${name} ${value}`;
        flagOf.set(key, (flagOf.get(key) ?? new Set()).add(flag));
      }
    }
    for (const [value, flags] of flagOf) expect(`${value}: ${flags.size}`).toBe(`${value}: 1`);
  });

  it("put the answer at each letter about equally often", () => {
    for (const letter of ["A", "B", "C", "D"]) {
      const count = cards.filter(({ answer }) => answer === letter).length;
      expect(Math.abs(count - 500)).toBeLessThan(100);
    }
  });

  it("share no card between training and held-out rows", () => {
    const text = (split: "train" | "held-out" | "pretrain", count: number) =>
      patientCards({ seed: 7, split, count }).map(questionLines);
    const seen = new Set([...text("train", 4000), ...text("pretrain", 4000)]);
    expect(text("held-out", 500).filter((question) => seen.has(question))).toEqual([]);
    // The comparison does find a card that is in both.
    expect(text("train", 500).filter((question) => seen.has(question))).toHaveLength(500);
  });
});
