// Reads which option an answer names, in the forms that people and models write. One pass, no backtracking.
import type { Question } from "../data/question.ts";

/** The text of the last `<answer>` block; one that is not closed reaches to the end; undefined without any. */
export function lastAnswer(completion: string): string | undefined {
  const open = completion.lastIndexOf("<answer>");
  if (open < 0) return undefined;
  const start = open + "<answer>".length;
  const close = completion.indexOf("</answer>", start);
  return completion.slice(start, close < 0 ? completion.length : close);
}

/**
 * The letter of the option that `answer` names: "C", "(C)", "c", "C.", "C. Aspirin", "\boxed{C}", "**C**",
 * "The answer is C", or the option's own text. Undefined when it names none, or two different ones.
 */
export function extractOption(answer: string, question: Pick<Question, "options">): string | undefined {
  const text = undecorate(answer);
  const stated = optionStated(text, question);
  if (stated !== undefined) return stated;

  const options = foldedOptions(question);
  const named = new Set(standaloneLetters(text, options));
  if (named.size > 0) return onlyMember(named);
  const folded = text.toLowerCase();
  const mentioned = options.filter((option) => option.text !== "" && folded.includes(option.text));
  return onlyMember(new Set(withoutContained(mentioned).map((option) => option.letter)));
}

/** The letter of the option that undecorated text is, and nothing more: its letter, its text, or both. */
export function optionStated(text: string, question: Pick<Question, "options">): string | undefined {
  if (text.length === 1 && Object.hasOwn(question.options, text.toUpperCase())) return text.toUpperCase();
  const folded = text.toLowerCase();
  const stated = foldedOptions(question).filter((option) => isStated(folded, option));
  return stated.length === 1 ? stated[0]?.letter : undefined;
}

function foldedOptions({ options }: Pick<Question, "options">): FoldedOption[] {
  return Object.entries(options).map(([letter, option]) => ({ letter, text: undecorate(option).toLowerCase() }));
}

interface FoldedOption {
  readonly letter: string;
  readonly text: string;
}

/** Whether an option, with or without its label, is the whole answer: "vitamin d", "c. vitamin d", "(c) vitamin d". */
function isStated(folded: string, { letter, text }: FoldedOption): boolean {
  const label = letter.toLowerCase();
  const labels = ["", `${label}.`, `${label}:`, `${label})`, `(${label})`];
  return labels.some((form) => folded === `${form} ${text}`.trim());
}

/** Leaves out an option whose text is part of another mentioned option's text: "iron" beside "iron deficiency". */
function withoutContained(options: readonly FoldedOption[]): FoldedOption[] {
  return options.filter((option) => !options.some((other) => other !== option && other.text.includes(option.text)));
}

function onlyMember(letters: ReadonlySet<string>): string | undefined {
  return letters.size === 1 ? letters.values().next().value : undefined;
}

/** Without the marks of LaTeX and Markdown. */
export function undecorate(answer: string): string {
  return answer
    .replaceAll(/\\(?:boxed|text|textbf|mathrm)\b/g, " ")
    .replaceAll(/[{}$*`]/g, " ")
    .trim();
}

/** The options' letters that stand alone as capitals: "(C)", "C.", "is C", and "A" where it is no article. */
function standaloneLetters(text: string, options: readonly FoldedOption[]): string[] {
  const found: string[] = [];
  for (let index = 0; index < text.length; index += 1) {
    const letter = text.charAt(index);
    if (letter < "A" || letter > "Z") continue;
    if (isWordCharacter(text.charAt(index - 1)) || isWordCharacter(text.charAt(index + 1))) continue;
    const option = options.find((one) => one.letter === letter);
    if (option !== undefined && !isWord(text, index, option)) found.push(letter);
  }
  return found;
}

// What follows a letter that names an option and not the word "A" or "I": a sign, a lone letter, a word that goes on
// about it.
const afterName =
  / +(?:(?:and|or|nor|but|not|is|are|because|since|plus|vs)(?![\p{L}\p{N}])|[A-Z](?![\p{L}\p{N}'’-])|[^\p{L}\p{N}\s"'“‘])/uy;

/** Whether the "A" or "I" at `index` is the article or the pronoun: it stands before another word than its option's text. */
function isWord(text: string, index: number, { letter, text: option }: FoldedOption): boolean {
  if (letter !== "A" && letter !== "I") return false;
  const next = text.charAt(index + 1);
  if (next !== " ") return next === "'" || next === "’";
  afterName.lastIndex = index + 1;
  if (afterName.test(text)) return false;
  const start = index + 2;
  return option === "" || text.slice(start, start + option.length).toLowerCase() !== option;
}

function isWordCharacter(character: string): boolean {
  return character !== "" && /[\p{L}\p{N}_-]/u.test(character);
}
