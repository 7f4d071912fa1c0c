// The readers and comparisons that protocols name.
import {
  type AskedOptions,
  answerColon,
  answerIs,
  answerTagOption,
  boxedOption,
  firstOption,
  lastLoneLetter,
} from "./extract-letter.ts";
import { answerTagNumber, boxedNumber, flexibleNumber, hashNumber, lastNumber } from "./extract-number.ts";

/** Reads an answer out of a completion; null: nothing can be read. Total over all texts, in time linear in them. */
export type Extractor = (text: string, question: AskedOptions) => string | null;

export const extractors = {
  "answer-is": answerIs,
  "answer-colon": answerColon,
  "last-lone-letter": lastLoneLetter,
  "first-option": firstOption,
  "boxed-option": boxedOption,
  "answer-tag-option": answerTagOption,
  "hash-number": hashNumber,
  "flexible-number": flexibleNumber,
  "last-number": lastNumber,
  "boxed-number": boxedNumber,
  "answer-tag-number": answerTagNumber,
} satisfies Record<string, Extractor>;
export type ExtractorName = keyof typeof extractors;

/** Whether what was read is what the row holds. */
export const comparisons = {
  /** The same text. */
  letter: (extracted, gold) => extracted === gold,
  /** GSM8K's own: the same text once commas are gone. */
  digits: (extracted, gold) => extracted.replaceAll(",", "") === gold.replaceAll(",", ""),
  /** lm-eval's exact_match for GSM8K: without commas, dollar signs and a full stop at the end. */
  "lm-eval-number": (extracted, gold) => plainNumber(extracted) === plainNumber(gold),
  /** The same value up to 1e-4. */
  number: (extracted, gold) => Math.abs(numberOf(extracted) - numberOf(gold)) <= 1e-4,
} satisfies Record<string, (extracted: string, gold: string) => boolean>;

function plainNumber(text: string): string {
  return text.replaceAll(/[,$]/g, "").replace(/\.$/, "").toLowerCase();
}

function numberOf(text: string): number {
  const plain = text.replaceAll(",", "");
  return plain === "" ? Number.NaN : Number(plain);
}

// Of a longer completion only so many characters at its end are read: no model writes an answer of a million characters,
// and an answer stands at the end.
const longestRead = 1 << 20;

/** What the first of the named readers that reads something reads. */
export function extractAnswer(names: readonly ExtractorName[], text: string, question: AskedOptions): string | null {
  const end = text.length > longestRead ? text.slice(-longestRead) : text;
  for (const name of names) {
    const extracted = extractors[name](end, question);
    if (extracted !== null) return extracted;
  }
  return null;
}
