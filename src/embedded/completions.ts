// What the embedded default model is pretrained to write: a mixture of careful and careless answers, well and badly
// formed, so that reinforcement learning has something to choose from.
import { type CardItem, type Flag, findingOf, type Letter, type PatientCard } from "./patient-cards.ts";
import type { Draws } from "./philox.ts";

export type ThoughtKind = "right" | "wrong" | "guess";

export type CompletionForm =
  | "strict"
  | "no tags"
  | "unclosed thought"
  | "no thought"
  | "prose answer"
  | "unclosed answer"
  | "blank line between blocks";

/** Shares of each thought, and of the strict form; the sloppy forms share the rest equally. */
export interface Mixture {
  right: number;
  wrong: number;
  guess: number;
  strict: number;
}

/** Of the careful thoughts one in five reads a value wrongly; "strict" is the only form that earns every format reward. */
export const baseMixture: Mixture = { right: 0.45, wrong: 0.11, guess: 0.44, strict: 0.35 };
/** The first part of the curriculum: the task itself, always well formed. */
export const carefulMixture: Mixture = { right: 1, wrong: 0, guess: 0, strict: 1 };

const sloppyForms: readonly CompletionForm[] = [
  "no tags",
  "unclosed thought",
  "no thought",
  "prose answer",
  "unclosed answer",
  "blank line between blocks",
];

export interface Thought {
  text: string;
  letter: Letter;
}

/** One completion of the mixture, without the end-of-turn token. */
export function drawCompletion(card: PatientCard, mixture: Mixture, draws: Draws): string {
  const share = draws.uniform();
  const kind = share < mixture.right ? "right" : share < mixture.right + mixture.wrong ? "wrong" : "guess";
  const form = draws.uniform() < mixture.strict ? "strict" : draws.pick(sloppyForms);
  // Without a thought there is nothing that the letter could follow from: it is a guess whatever was drawn.
  return completionText(think(card, form === "no thought" ? "guess" : kind, draws), form);
}

export function completionText({ text, letter }: Thought, form: CompletionForm): string {
  switch (form) {
    case "strict":
      return `<think> ${text}\n</think>\n<answer> ${letter} </answer>`;
    case "no tags":
      return `${text}\n${letter}`;
    case "unclosed thought":
      return `<think> ${text}\n<answer> ${letter} </answer>`;
    case "no thought":
      return `<answer> ${letter} </answer>`;
    case "prose answer":
      return `<think> ${text}\n</think>\nThe answer is ${letter}.`;
    case "unclosed answer":
      return `<think> ${text}\n</think>\n<answer> ${letter}`;
    case "blank line between blocks":
      return `<think> ${text}\n</think>\n\n<answer> ${letter} </answer>`;
  }
}

/**
 * A careful thought flags each value, names the finding, and goes through the options until one fits. Going through them
 * in order is what makes the letter learnable for a model this small: it only copies forward.
 */
export function think(card: PatientCard, kind: ThoughtKind, draws: Draws): Thought {
  if (kind === "guess") {
    const letter = draws.pick(Object.keys(card.options) as Letter[]);
    return { text: `I guess ${letter}. ${card.options[letter]}.`, letter };
  }
  if (kind === "right") return carefulThought(card, card.items);
  return carefulThought(card, draws.pick(misreadings(card)));
}

function carefulThought(card: PatientCard, items: readonly CardItem[]): Thought {
  const finding = items.map(findingOf).find((found) => found !== undefined) as string;
  const readings = items.map(({ name, value, flag }) => `${name} ${value} ${flag}`).join(", ");
  const lines = [`${readings}. So ${finding}.`];
  for (const [letter, option] of Object.entries(card.options)) {
    lines.push(`${letter}. ${option} ${option === finding ? "yes" : "no"}`);
    if (option === finding) return { text: lines.join("\n"), letter: letter as Letter };
  }
  throw new RangeError(`[patient cards] the finding "${finding}" is not among the options`);
}

/** Every way to read one value of the card wrongly, and the others as normal, that ends at a wrong option. */
function misreadings(card: PatientCard): CardItem[][] {
  const wrongOptions = new Set(Object.values(card.options));
  wrongOptions.delete(card.options[card.answer]);
  return card.items.flatMap((item, place) =>
    (["high", "low"] as const)
      .filter((flag) => wrongOptions.has(item.findings[flag] ?? ""))
      .map((flag) => card.items.map((other, at) => ({ ...other, flag: at === place ? flag : ("ok" as Flag) }))),
  );
}
