// MMLU-Pro (Wang et al., 2024, "MMLU-Pro: A More Robust and Challenging Multi-Task Language Understanding Benchmark").
// Upstream: TIGER-Lab/MMLU-Pro on the hub, data/{test,validation}-….parquet.
import { choiceRow, type RowReader, textsField } from "./benchmark-source.ts";
import { readParquet } from "./parquet.ts";
import { textField } from "./rows.ts";

/**
 * Rows are {question_id, question, options (3 to 10), answer, answer_index, cot_content, category, src}. The answer is
 * the letter, as in every evaluation of the set; in at least one test row answer_index says otherwise.
 */
export const readMmluProParquet: RowReader = (bytes, { file, nextId }, options) =>
  readParquet(
    bytes,
    file,
    (value) => {
      const subject = textField(value, "category");
      const id = nextId(subject);
      const question = textField(value, "question");
      const choices = textsField(value, "options", 3, 10);
      const solution = value.cot_content;
      return choiceRow(
        {
          id,
          subject,
          question,
          options: choices,
          answer: textField(value, "answer"),
          ...(typeof solution === "string" && solution !== "" ? { solution } : {}),
        },
        "mmlu-pro",
      );
    },
    options,
  );
