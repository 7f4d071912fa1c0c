// The one row type of every data set, and the text in which a question is asked.

/** A multiple-choice question. Letters are the keys of `options`, in the order in which they are shown. */
export interface Question {
  readonly id: string;
  readonly question: string;
  readonly options: Readonly<Record<string, string>>;
  /** The letter of the right option. */
  readonly answer: string;
  /** The text of the right option. */
  readonly answerText: string;
  readonly subject: string;
  readonly source: string;
}

/**
 * The user's text as the paper's repository prepares it (scripts/data_prepare.py): the question, a line break,
 * "Answer Choices: ", then each option as "(A) text " with its trailing space kept.
 */
export function questionText(question: Pick<Question, "question" | "options">): string {
  let text = `${question.question}\nAnswer Choices: `;
  for (const [letter, option] of Object.entries(question.options)) text += `(${letter}) ${option} `;
  return text;
}

/** The same question with lettered lines, "A. text", for models that were trained on that form. */
export function questionLines(question: Pick<Question, "question" | "options">): string {
  let text = question.question;
  for (const [letter, option] of Object.entries(question.options)) text += `\n${letter}. ${option}`;
  return text;
}
