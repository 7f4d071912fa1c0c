// Appends records to a journal until it is killed: FILE. Prints how many are safe after each append.
import { Journal } from "../../../src/run/journal.ts";

const [, , file = ""] = process.argv;
const journal = await Journal.open<{ key: string; id: string; text: string }>(file);
for (let next = journal.size; ; next += 3) {
  const ids = [next, next + 1, next + 2].filter((id) => !journal.has("k", `${id}`));
  await journal.append(ids.map((id) => ({ key: "k", id: `${id}`, text: "x".repeat(20_000) })));
  process.stdout.write(`${next + 3}\n`);
}
