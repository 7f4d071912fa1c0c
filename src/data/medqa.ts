// MedQA (Jin et al., 2020, "What Disease does this Patient Have?"), the US part, in its upstream JSON-lines files:
// 4_options/phrases_no_exclude_{train,dev,test}.jsonl and the five-option {train,dev,test}.jsonl; on the hub
// GBaker/MedQA-USMLE-4-options (the same lines) and …-hf (sent1, ending0 to ending3, label).
import { choiceRow, integerField, type RowReader } from "./benchmark-source.ts";
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

/**
 * The same files as benchmark rows, of either layout. The subject is "medqa" in all of them: only some files tell the
 * examination's step, and few-shot examples come from any.
 */
export const readMedqaRows: RowReader = (bytes, { file, nextId }, options) =>
  readJsonLines(
    new TextDecoder().decode(bytes),
    file,
    (value) => {
      const id = nextId("medqa");
      const row = Object.hasOwn(value, "sent1") ? endingsRow(value) : medqaQuestion(value, id, file);
      const { question, answer } = row;
      return choiceRow({ id, subject: "medqa", question, options: Object.values(row.options), answer }, "medqa");
    },
    options,
  );

/** A row {sent1, ending0, …, label}. */
function endingsRow(value: Record<string, unknown>): Pick<Question, "question" | "options" | "answer"> {
  const endings = Object.keys(value).filter((key) => /^ending\d$/.test(key));
  const options = optionsField({ endings: endings.sort().map((key) => textField(value, key)) }, "endings");
  const answer = Object.keys(options)[integerField(value, "label")];
  if (answer === undefined)
    throw new RowProblem(`"label" is ${describe(value.label)}; expected 0 to ${endings.length - 1}`);
  return { question: textField(value, "sent1"), options, answer };
}
