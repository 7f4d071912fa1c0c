// The three rewards of the paper (section 3.1), score for score as its repository computes them
// (Qsingle/open-medical-r1, src/open_r1/rewards.py at d4daaea): accuracy 0/1/2, format 0/1/2, xmlcount 0 to 1 in
// quarters, each with weight 1, so at most 5. Written as scanners that visit the text once: the regular expressions
// of the original backtrack, and one hostile completion could stop a run.
import { countOccurrences, isPythonSpace, pythonStrip, startsWithIgnoringCase } from "./python-text.ts";
import type { Reward } from "./reward.ts";

const thinkOpen = "<think>";
const thinkClose = "</think>";
const answerOpen = "<answer>";
const answerClose = "</answer>";

/**
 * 2 when the text between the first `<answer>` and the last `</answer>` is the right letter, "C" or "(C)", white space
 * around it aside; else 1 when that text begins with the text of the right option, in any case of letters; else 0.
 * "c", "C." and "(C) Aspirin" get 0, as in the original.
 *
 * Original: `re.search(r"<answer>(.*)</answer>", content, re.DOTALL)`, then `==`, then `re.IGNORECASE` match.
 *
 * @example accuracy("<think>x</think><answer>C</answer>", { answer: "C", answerText: "Aspirin", … }) // 2
 */
export const accuracy: Reward = (completion, question) => {
  const open = completion.indexOf(answerOpen);
  if (open < 0) return 0;
  const start = open + answerOpen.length;
  const close = completion.lastIndexOf(answerClose);
  if (close < start) return 0;
  const answer = pythonStrip(completion.slice(start, close));
  if (answer === question.answer || answer === `(${question.answer})`) return 2;
  return startsWithIgnoringCase(answer, question.answerText) ? 1 : 0;
};

/**
 * 1 when the completion begins with a `<think>` block, at most one white-space character, and an `<answer>` block;
 * 2 when it also ends there (one last "\n" allowed); else 0.
 *
 * Original: soft `<think>.*?</think>[\s\n]{0,1}<answer>.*?</answer>` by re.match, plus strict with `^` and `$`.
 */
export const format: Reward = (completion) => {
  const body = answerBodyStart(completion);
  if (body < 0) return 0;
  const lastClose = completion.lastIndexOf(answerClose);
  if (lastClose < body) return 0;
  // Python's `$` stands at the end and before a "\n" that ends the text. A lazy `.*?` may run over earlier closing
  // tags, so only the last one matters.
  const tail = completion.slice(lastClose + answerClose.length);
  return tail === "" || tail === "\n" ? 2 : 1;
};

/**
 * Where the text of the answer block begins when the completion opens with `<think>`, or -1. A lazy `.*?` may run over
 * a `</think>` that no `<answer>` follows; the first one that is followed leaves the most room for the rest.
 */
function answerBodyStart(completion: string): number {
  if (!completion.startsWith(thinkOpen)) return -1;
  let close = completion.indexOf(thinkClose, thinkOpen.length);
  while (close >= 0) {
    const after = close + thinkClose.length;
    if (completion.startsWith(answerOpen, after)) return after + answerOpen.length;
    if (isPythonSpace(completion, after) && completion.startsWith(answerOpen, after + 1)) {
      return after + 1 + answerOpen.length;
    }
    close = completion.indexOf(thinkClose, after);
  }
  return -1;
}

/** A quarter for each of `<think>`, `</think>`, `<answer>`, `</answer>` that stands in the text exactly once. */
export const xmlcount: Reward = (completion) => {
  let score = 0;
  for (const tag of [thinkOpen, thinkClose, answerOpen, answerClose]) {
    if (countOccurrences(completion, tag) === 1) score += 0.25;
  }
  return score;
};
