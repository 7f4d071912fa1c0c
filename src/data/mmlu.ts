// MMLU (Hendrycks et al., 2021, "Measuring Massive Multitask Language Understanding"). Upstream: data.tar with
// data/{dev,val,test}/<subject>_<split>.csv, without a header; on the hub cais/mmlu, parquet for all subjects or each.
import { choiceRow, integerField, type RowReader, textsField } from "./benchmark-source.ts";
import { readCsv } from "./csv.ts";
import { readParquet } from "./parquet.ts";
import { RowProblem, textField } from "./rows.ts";

/** Rows are question, four options, the answer's letter. */
export const readMmluCsv: RowReader = (bytes, { file, subject = "", nextId }, options) =>
  readCsv(
    bytes,
    file,
    ([question = "", ...rest]) => {
      const id = nextId(subject);
      return choiceRow({ id, subject, question, options: rest.slice(0, 4), answer: rest[4] ?? "" }, "mmlu");
    },
    { ...options, columns: 6 },
  );

/** Rows are {question, subject, choices (four), answer (0 to 3)}. */
export const readMmluParquet: RowReader = (bytes, { file, nextId }, options) =>
  readParquet(
    bytes,
    file,
    (value) => {
      const subject = textField(value, "subject");
      const id = nextId(subject);
      const question = textField(value, "question");
      const choices = textsField(value, "choices", 4, 4);
      const answer = "ABCD"[integerField(value, "answer")];
      if (answer === undefined) throw new RowProblem(`"answer" is ${value.answer}; expected 0 to 3`);
      return choiceRow({ id, subject, question, options: choices, answer }, "mmlu");
    },
    options,
  );
