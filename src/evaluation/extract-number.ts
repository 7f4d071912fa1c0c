// Which number an answer gives, as published evaluators of GSM8K read it. Each reader takes time linear in the text.

import { boxes } from "../rewards/boxed.ts";
import { lastAnswer } from "../rewards/extract-option.ts";

const isDigit = (code: number) => code >= 48 && code <= 57;
const isDigitDotComma = (code: number) => isDigit(code) || code === 46 || code === 44;

/** GSM8K's own rule and lm-eval's strict-match: the first `#### (\-?[0-9\.\,]+)`. */
export function hashNumber(text: string): string | null {
  const lead = "#### ";
  for (let at = text.indexOf(lead); at >= 0; at = text.indexOf(lead, at + 1)) {
    const start = at + lead.length;
    let end = text.charAt(start) === "-" ? start + 1 : start;
    const digits = end;
    while (isDigitDotComma(text.charCodeAt(end))) end += 1;
    if (end > digits) return text.slice(start, end);
  }
  return null;
}

/**
 * lm-eval's flexible-extract: the last match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`. Read from the end: the last run of these
 * characters that is longer than one or a digit, with a minus before it.
 */
export function flexibleNumber(text: string): string | null {
  const isPart = (code: number) => isDigitDotComma(code) || code === 36;
  for (let end = text.length; end > 0; end -= 1) {
    if (!isPart(text.charCodeAt(end - 1))) continue;
    let start = end - 1;
    while (start > 0 && isPart(text.charCodeAt(start - 1))) start -= 1;
    if (end - start >= 2 || isDigit(text.charCodeAt(start))) {
      return text.slice(text.charAt(start - 1) === "-" ? start - 1 : start, end);
    }
    end = start + 1;
  }
  return null;
}

const longestNumber = 1000; // characters; what is longer is no number that somebody wrote

/**
 * EvalScope's rule (April 2025): the last match of its number pattern, which knows signs, thousands and decimals; then
 * commas, plus signs and outer points go. The pattern runs over the last cluster of number characters alone.
 */
export function lastNumber(text: string): string | null {
  let last = text.length - 1;
  while (last >= 0 && !isDigit(text.charCodeAt(last))) last -= 1;
  if (last < 0) return null;
  const isPart = (code: number) => isDigitDotComma(code) || code === 43 || code === 45;
  let start = last;
  while (start > 0 && last - start < longestNumber && isPart(text.charCodeAt(start - 1))) start -= 1;
  const cluster = text.slice(start, text.charAt(last + 1) === "." ? last + 2 : last + 1);
  const pattern = /[+-]?(?=[0-9]|\.[0-9])(?:0|[1-9]\d{0,2}(?:,\d{3})*|\d*)(?:\.\d*)?(?=\D|$)/g;
  const found = [...cluster.matchAll(pattern)].at(-1)?.[0];
  return found === undefined ? null : trimPoints(found.replaceAll(/[,+]/g, ""));
}

function trimPoints(text: string): string {
  return text.replace(/^\.+/, "").replace(/\.+$/, "");
}

/** The number in the last `\boxed{…}`; null when it holds none. */
export function boxedNumber(text: string): string | null {
  return onlyNumber(boxes(text).at(-1));
}

/** The number in the last `<answer>`; null when it holds none. */
export function answerTagNumber(text: string): string | null {
  return onlyNumber(lastAnswer(text));
}

function onlyNumber(answer: string | undefined): string | null {
  return answer === undefined || answer.length > longestNumber ? null : lastNumber(answer);
}
