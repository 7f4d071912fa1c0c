// The embedded default's task: generated multiple-choice questions about a patient card. Seeded, unlimited, ours.
import type { Question } from "../data/question.ts";
import { Draws } from "./philox.ts";

export type Flag = "ok" | "high" | "low";

interface Measurement {
  name: string;
  decimals: number;
  /** Inclusive ranges of the values a card can show, and the finding that an abnormal one stands for. */
  normal: readonly [number, number];
  high?: { range: readonly [number, number]; finding: string };
  low: { range: readonly [number, number]; finding: string };
}

// Ranges leave a gap between normal and abnormal, so that no card is a matter of opinion.
const measurements: readonly Measurement[] = [
  {
    name: "BP",
    decimals: 0,
    normal: [102, 128],
    high: { range: [158, 210], finding: "hypertension" },
    low: { range: [62, 84], finding: "hypotension" },
  },
  {
    name: "HR",
    decimals: 0,
    normal: [62, 94],
    high: { range: [114, 165], finding: "tachycardia" },
    low: { range: [32, 48], finding: "bradycardia" },
  },
  {
    name: "T",
    decimals: 1,
    normal: [36.2, 37.2],
    high: { range: [38.6, 40.9], finding: "fever" },
    low: { range: [32, 34.6], finding: "hypothermia" },
  },
  { name: "SpO2", decimals: 0, normal: [96, 99], low: { range: [74, 89], finding: "hypoxemia" } },
  {
    name: "glucose",
    decimals: 1,
    normal: [4.1, 6.4],
    high: { range: [12, 29], finding: "hyperglycemia" },
    low: { range: [1.6, 2.9], finding: "hypoglycemia" },
  },
  {
    name: "K",
    decimals: 1,
    normal: [3.7, 4.9],
    high: { range: [6.1, 8.2], finding: "hyperkalemia" },
    low: { range: [1.9, 2.9], finding: "hypokalemia" },
  },
  {
    name: "Na",
    decimals: 0,
    normal: [136, 144],
    high: { range: [152, 170], finding: "hypernatremia" },
    low: { range: [110, 127], finding: "hyponatremia" },
  },
  {
    name: "Hb",
    decimals: 1,
    normal: [12.6, 16.4],
    high: { range: [19, 22.9], finding: "polycythemia" },
    low: { range: [5.1, 8.9], finding: "anemia" },
  },
];

const allFindings = measurements.flatMap(findingsOf);
const letters = ["A", "B", "C", "D"] as const;
export type Letter = (typeof letters)[number];

export interface CardItem {
  name: string;
  value: string;
  flag: Flag;
  /** What the value would mean if it were flagged so; absent where no such finding exists. */
  findings: { high?: string; low: string };
}

export interface PatientCard {
  items: CardItem[];
  options: Record<Letter, string>;
  answer: Letter;
}

// Each split has its own stream of draws, so a training card is never drawn again as a held-out card.
const splitStreams = { pretrain: 1, train: 2, "held-out": 3 } as const;
export type CardSplit = keyof typeof splitStreams;

/**
 * Card number `index` of a split: three of eight measurements, exactly one of them abnormal, and four findings of which
 * only the one that is present is right. One wrong option at least concerns a measurement on the card.
 */
export function patientCard(seed: number, split: CardSplit, index: number): PatientCard {
  const draws = new Draws(seed, splitStreams[split], index);
  const shown = draws.shuffle(measurements).slice(0, 3);
  const abnormal = draws.below(3);
  const items = shown.map((measurement, place) => drawItem(measurement, place === abnormal, draws));
  const present = items[abnormal] as CardItem;
  const answerText = findingOf(present) as string;

  const opposite = present.flag === "high" ? present.findings.low : present.findings.high;
  const unlikely = items.filter((_, place) => place !== abnormal).flatMap((item) => Object.values(item.findings));
  const near = opposite !== undefined && draws.uniform() < 0.5 ? opposite : draws.pick(unlikely);
  const far = draws.shuffle(allFindings.filter((finding) => finding !== answerText && finding !== near)).slice(0, 2);
  const [A, B, C, D] = draws.shuffle([answerText, near, ...far]) as [string, string, string, string];
  const options = { A, B, C, D };
  return { items, options, answer: letters.find((letter) => options[letter] === answerText) as Letter };
}

/** The finding that an item's flag names; undefined when the item is normal. */
export function findingOf(item: CardItem): string | undefined {
  return item.flag === "ok" ? undefined : item.findings[item.flag];
}

/** The card as a question row. `count` rows of a split from row `start` on; the same numbers give the same rows. */
export function patientCards(request: { seed: number; split: CardSplit; count: number; start?: number }): Question[] {
  const { seed, split, count, start = 0 } = request;
  return Array.from({ length: count }, (_, offset) =>
    toQuestion(patientCard(seed, split, start + offset), `${split}/${seed}/${start + offset}`),
  );
}

export function toQuestion(card: PatientCard, name: string): Question {
  return {
    id: `patient-cards/${name}`,
    question: stem(card),
    options: card.options,
    answer: card.answer,
    answerText: card.options[card.answer],
    subject: "patient cards",
    source: "patient-cards",
  };
}

function stem(card: PatientCard): string {
  const values = card.items.map(({ name, value }) => `${name} ${value}`).join(", ");
  return `Card: ${values}.\nWhich finding is present?`;
}

function drawItem(measurement: Measurement, isAbnormal: boolean, draws: Draws): CardItem {
  const flag: Flag = isAbnormal ? draws.pick(measurement.high ? (["high", "low"] as const) : (["low"] as const)) : "ok";
  const range = flag === "ok" ? measurement.normal : (measurement[flag] ?? measurement.low).range;
  const scale = 10 ** measurement.decimals;
  const lowest = Math.round(range[0] * scale);
  const steps = Math.round(range[1] * scale) - lowest + 1;
  const findings = {
    ...(measurement.high && { high: measurement.high.finding }),
    low: measurement.low.finding,
  };
  return {
    name: measurement.name,
    value: ((lowest + draws.below(steps)) / scale).toFixed(measurement.decimals),
    flag,
    findings,
  };
}

function findingsOf(measurement: Measurement): string[] {
  return [...(measurement.high ? [measurement.high.finding] : []), measurement.low.finding];
}
