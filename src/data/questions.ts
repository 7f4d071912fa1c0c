// Question rows of our own, one JSON object a line, and the choice of a reader by the shape of the file.

import { readMedqa } from "./medqa.ts";
import type { Question } from "./question.ts";
import {
  answerField,
  describe,
  optionsField,
  type RowOptions,
  RowProblem,
  type Rows,
  readJsonLines,
  textField,
} from "./rows.ts";

export const dataFormats = ["auto", "medqa", "questions"] as const;
export type DataFormat = (typeof dataFormats)[number];

/** Reads rows {id?, question, options, answer (letter), answerText?, subject?, source?}, as writeQuestions writes them. */
export function readQuestions(text: string, file: string, options: RowOptions = {}): Rows<Question> {
  const rowOfId = new Map<string, number>();
  return readJsonLines(
    text,
    file,
    (value, row) => {
      const id = value.id === undefined ? `row-${row}` : textField(value, "id");
      const earlier = rowOfId.get(id);
      if (earlier !== undefined) throw new RowProblem(`"id" is ${describe(id)}, as in row ${earlier}; ids must differ`);
      const question = textField(value, "question");
      const choices = optionsField(value, "options");
      const answer = answerField(value, "answer", choices);
      const answerText = choices[answer] ?? "";
      if (value.answerText !== undefined && value.answerText !== answerText) {
        throw new RowProblem(
          `"answerText" is ${describe(value.answerText)}, but option ${answer} is ${describe(answerText)}`,
        );
      }
      rowOfId.set(id, row);
      const subject = value.subject === undefined ? "" : textField(value, "subject");
      const source = value.source === undefined ? file : textField(value, "source");
      return { id, question, options: choices, answer, answerText, subject, source };
    },
    options,
  );
}

/** The rows as JSON lines that readQuestions reads back unchanged. */
export function writeQuestions(questions: readonly Question[]): string {
  return questions
    .map(({ subject, ...rest }) => `${JSON.stringify(subject === "" ? rest : { ...rest, subject })}\n`)
    .join("");
}

/** Reads a question file of any known format; "auto" takes a file with a key "answer_idx" for MedQA. */
export function readQuestionFile(
  text: string,
  file: string,
  format: DataFormat,
  options: RowOptions = {},
): Rows<Question> {
  const isMedqa = format === "medqa" || (format === "auto" && text.includes('"answer_idx"'));
  return isMedqa ? readMedqa(text, file, options) : readQuestions(text, file, options);
}
