// Which letter an answer names, as published evaluators read it. Completions are hostile text, so there are no
// backtracking patterns here: every reader looks at each character a bounded number of times.

import { boxes } from "../rewards/boxed.ts";
import { extractOption, lastAnswer } from "../rewards/extract-option.ts";
import { isPythonSpace } from "../rewards/python-text.ts";

/** What a reader may know of the question: the options' texts in order; A to J where there are none. */
export interface AskedOptions {
  readonly options: readonly string[];
}

/** MMLU-Pro's ten letters; its patterns accept them all, however many options a question has. */
const letters = "ABCDEFGHIJ";

function isLetter(character: string): boolean {
  return character !== "" && letters.includes(character);
}

/** The index after the white space at `start`. */
function afterSpaces(text: string, start: number): number {
  let at = start;
  while (isPythonSpace(text, at)) at += 1;
  return at;
}

/**
 * MMLU-Pro's first level and lm-eval's `custom-extract`: the first match of `answer is \(?([A-J])\)?`. On all 12,032
 * published outputs of gemma-7b and Phi-3-mini it is what the authors' files hold.
 */
export function answerIs(text: string): string | null {
  const lead = "answer is ";
  for (let at = text.indexOf(lead); at >= 0; at = text.indexOf(lead, at + 1)) {
    const start = at + lead.length;
    const letter = text.charAt(text.charAt(start) === "(" ? start + 1 : start);
    if (isLetter(letter)) return letter;
  }
  return null;
}

/**
 * MMLU-Pro's second level, `.*[aA]nswer:\s*([A-J])` under search(): the first line in which a match starts, and of that
 * line the last one. As a pattern it is quadratic in the length of a line.
 */
export function answerColon(text: string): string | null {
  let found: string | null = null;
  let lineEnd = Number.POSITIVE_INFINITY;
  const lead = "nswer:";
  for (let at = text.indexOf(lead); at >= 0 && at < lineEnd; at = text.indexOf(lead, at + lead.length)) {
    const first = text.charAt(at - 1);
    if (first !== "a" && first !== "A") continue;
    const letter = text.charAt(afterSpaces(text, at + lead.length));
    if (!isLetter(letter)) continue;
    if (found === null) {
      const end = text.indexOf("\n", at);
      lineEnd = end < 0 ? Number.POSITIVE_INFINITY : end;
    }
    found = letter;
  }
  return found;
}

/** MMLU-Pro's third level, `\b[A-J]\b(?!.*\b[A-J]\b)`: the last letter that stands alone. */
export function lastLoneLetter(text: string): string | null {
  for (let at = text.length - 1; at >= 0; at -= 1) {
    const code = text.charCodeAt(at);
    if (code < 65 || code > 74) continue; // A to J
    if (!isWordBefore(text, at) && !isWordAfter(text, at)) return text.charAt(at);
  }
  return null;
}

function isWordAfter(text: string, at: number): boolean {
  const point = text.codePointAt(at + 1);
  return point !== undefined && isPythonWord(point);
}

function isWordBefore(text: string, at: number): boolean {
  if (at === 0) return false;
  const unit = text.charCodeAt(at - 1);
  const isLowSurrogate = unit >= 0xdc00 && unit <= 0xdfff;
  return isPythonWord(isLowSurrogate && at > 1 ? (text.codePointAt(at - 2) ?? unit) : unit);
}

/** `\w` of a Python str pattern. */
function isPythonWord(point: number): boolean {
  if (point < 128) {
    return (
      (point >= 48 && point <= 57) || (point >= 65 && point <= 90) || point === 95 || (point >= 97 && point <= 122)
    );
  }
  if (point >= 0x4e00 && point <= 0x9fff) return true; // the common Chinese characters, without a pattern's cost
  return /[\p{L}\p{N}]/u.test(String.fromCodePoint(point));
}

/** A lead-in, what may stand between it and the letter, and whether the letter may be in a parenthesis. */
interface Lead {
  readonly texts: readonly string[];
  readonly spaces: boolean;
  readonly parenthesis?: boolean;
}

// EvalScope's list in its order; those of its patterns that an earlier one covers are left out.
const firstOptionLeads: readonly Lead[] = [
  { texts: ["Answer:", "answer:"], spaces: true },
  { texts: ["ANSWER:"], spaces: true },
  { texts: ["answer is "], spaces: false, parenthesis: true },
  { texts: ["The correct answer is:", "the correct answer is:"], spaces: true },
  { texts: ["The correct answer is:\n\n-", "the correct answer is:\n\n-"], spaces: true },
  { texts: ["The answer might be:\n\n-", "the answer might be:\n\n-"], spaces: true },
  { texts: ["The answer is ", "the answer is "], spaces: true },
];

/**
 * EvalScope's parse_first_option (April 2025): the first match of the first lead-in that has one; without any, the last
 * capital letter from A to J wherever it stands, inside a word too.
 */
export function firstOption(text: string): string | null {
  for (const lead of firstOptionLeads) {
    const found = firstAfter(text, lead);
    if (found !== null) return found;
  }
  for (let at = text.length - 1; at >= 0; at -= 1) {
    if (isLetter(text.charAt(at))) return text.charAt(at);
  }
  return null;
}

function firstAfter(text: string, { texts, spaces, parenthesis = false }: Lead): string | null {
  let best = Number.POSITIVE_INFINITY;
  let found: string | null = null;
  for (const lead of texts) {
    for (let at = text.indexOf(lead); at >= 0 && at < best; at = text.indexOf(lead, at + 1)) {
      let start = at + lead.length;
      if (spaces) start = afterSpaces(text, start);
      if (parenthesis && text.charAt(start) === "(") start += 1;
      if (!isLetter(text.charAt(start))) continue;
      best = at;
      found = text.charAt(start);
    }
  }
  return found;
}

/** The option that the last `\boxed{…}` names, by its letter or by its text; null when it names none or two. */
export function boxedOption(text: string, { options }: AskedOptions): string | null {
  return namedOption(boxes(text).at(-1), options);
}

/** The option that the last `<answer>` names, by its letter or by its text; null when it names none or two. */
export function answerTagOption(text: string, { options }: AskedOptions): string | null {
  return namedOption(lastAnswer(text), options);
}

// An answer of more characters is a text that mentions options, not one that names one.
const longestAnswer = 2000;

function namedOption(answer: string | undefined, options: readonly string[]): string | null {
  if (answer === undefined || answer.length > longestAnswer) return null;
  const lettered = Object.fromEntries(options.map((option, index) => [String.fromCharCode(65 + index), option]));
  return extractOption(answer, { options: lettered }) ?? null;
}
