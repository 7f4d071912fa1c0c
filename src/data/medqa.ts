// MedQA (Jin et al., 2020, "What Disease does this Patient Have?"), the US part, in its upstream JSON-lines files:
// 4_options/phrases_no_exclude_{train,dev,test}.jsonl and the five-option {train,dev,test}.jsonl.
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

/**
 * The questions of a MedQA file. Rows are {question, answer, options, answer_idx} and perhaps meta_info and
 * metamap_phrases. The id is "medqa-" and the row number; the subject is meta_info ("step1", "step2&3") or "medqa".
 */
export function readMedqa(text: string, file: string, options: RowOptions = {}): Rows<Question> {
  return readJsonLines(text, file, (value, row) => medqaQuestion(value, `medqa-${row}`, file), options);
}

function medqaQuestion(value: Record<string, unknown>, id: string, source: string): Question {
  const question = textField(value, "question");
  const options = optionsField(value, "options");
  const answer = answerField(value, "answer_idx", options);
  const answerText = textField(value, "answer");
  if (answerText !== options[answer]) {
    throw new RowProblem(`"answer" is ${describe(answerText)}, but option ${answer} is ${describe(options[answer])}`);
  }
  const meta = value.meta_info;
  return { id, question, options, answer, answerText, subject: typeof meta === "string" ? meta : "medqa", source };
}
