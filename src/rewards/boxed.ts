// Answers in \boxed{…}, the form that the paper's filter prompt (Fig. 1) asks for. One pass, no backtracking.
import type { Question } from "../data/question.ts";
import { optionStated, undecorate } from "./extract-option.ts";

// Of a longer text its end is read: the answer stands there, and 64 thousand tokens fit. The rest is a model that repeats
// itself, which must not take time.
const maxScanned = 2 ** 18;
// More boxes than that say the same again and again; the last ones are read.
const maxBoxes = 16;
const backslash = 92;
const openBrace = 123;
const closeBrace = 125;
const letterB = 98;
// A box of more characters is a text that mentions options, not one that names one.
const longestAnswer = 1000;

/**
 * What stands in the `\boxed{…}` of a text, in order: braces balance inside, `\{` and `\}` are none, a box that is never
 * closed counts for nothing, and of nested boxes only the outermost does. At most the last 16, of the last 262,144 characters.
 */
export function boxes(completion: string): string[] {
  const text = completion.slice(-maxScanned);
  // Two lists of numbers, not one of objects: a text may open a million boxes.
  const openStarts: number[] = [];
  const openDepths: number[] = [];
  let closed: { readonly start: number; readonly end: number }[] = [];
  let depth = 0;
  for (let at = text.indexOf("\\boxed"); at >= 0 && at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === backslash) {
      const isBox = text.charCodeAt(at + 1) === letterB && text.startsWith("boxed", at + 1);
      const brace = isBox ? afterSpaces(text, at + "\\boxed".length) : -1;
      if (text.charCodeAt(brace) === openBrace) {
        openStarts.push(brace + 1);
        openDepths.push(depth);
        depth += 1;
        at = brace;
      } else if (text.charCodeAt(at + 1) === openBrace || text.charCodeAt(at + 1) === closeBrace) {
        at += 1;
      }
    } else if (code === openBrace) {
      depth += 1;
    } else if (code === closeBrace && depth > 0) {
      depth -= 1;
      if (openDepths.length === 0 || openDepths[openDepths.length - 1] !== depth) continue;
      openDepths.pop();
      const start = openStarts.pop() ?? 0;
      while ((closed.at(-1)?.start ?? -1) > start) closed.pop();
      closed.push({ start, end: at });
      if (closed.length >= 2 * maxBoxes && openStarts.length === 0) closed = closed.slice(-maxBoxes);
    }
  }
  return closed.slice(-maxBoxes).map(({ start, end }) => text.slice(start, end));
}

function afterSpaces(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) === 32) at += 1;
  return at;
}

export interface BoxedAnswer {
  /** The option that the last box names; undefined when it names none or two, or when there is no box. */
  readonly letter: string | undefined;
  readonly hasBox: boolean;
  /** Whether boxes name different options: which one is the final answer cannot be told. */
  readonly isAmbiguous: boolean;
}

/** Reads the answer of a completion to a question of options. */
export function boxedAnswer(completion: string, question: Pick<Question, "options">): BoxedAnswer {
  const texts = boxes(completion);
  const letters = texts.map((text) => (text.length > longestAnswer ? undefined : boxedOption(text, question)));
  const named = new Set(letters.filter((letter) => letter !== undefined));
  return { letter: letters.at(-1), hasBox: texts.length > 0, isAmbiguous: named.size > 1 };
}

/**
 * The option that a box's text names: "C", "(C)", "C. Iron", "C: iron, since …", "Option C", or the option's own text,
 * whatever its case. Undefined when it names none, or another one as well: in a box no letter is an article.
 */
function boxedOption(box: string, question: Pick<Question, "options">): string | undefined {
  const text = undecorate(box).replaceAll(/\s+/g, " ");
  const stated = optionStated(text, question);
  if (stated !== undefined) return stated;
  const [, label = ""] = lead.exec(text) ?? [];
  if (!Object.hasOwn(question.options, label)) return undefined;
  const others = text.match(/(?<![\p{L}\p{N}'’-])[A-Z](?![\p{L}\p{N}'’-])/gu) ?? [];
  return others.every((other) => other === label || !Object.hasOwn(question.options, other)) ? label : undefined;
}

// A capital letter at the beginning, or after words that announce it.
const lead =
  /^(?:(?:[Tt]he )?(?:correct )?(?:[Oo]ption|[Aa]nswer|[Cc]hoice)(?: is)?:? )?\(?([A-Z])(?![\p{L}\p{N}'’-])/u;
