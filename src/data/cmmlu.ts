// CMMLU (Li et al., 2023, "CMMLU: Measuring massive multitask language understanding in Chinese"). Upstream:
// {dev,test}/<subject>.csv with a header; on the hub one zip file that holds them.
import { choiceRow, type RowReader } from "./benchmark-source.ts";
import { readCsv } from "./csv.ts";

/** Rows are a number, question, four options, the answer's letter. */
export const readCmmluCsv: RowReader = (bytes, { file, subject = "", nextId }, options) =>
  readCsv(
    bytes,
    file,
    ([, question = "", ...rest]) => {
      const id = nextId(subject);
      return choiceRow({ id, subject, question, options: rest.slice(0, 4), answer: rest[4] ?? "" }, "cmmlu");
    },
    { ...options, columns: 7, header: ",Question,A,B,C,D,Answer" },
  );
