// Which folder a run writes to when the config does not name one.
import { basename, dirname, join } from "node:path";
import { listFolder } from "../run/files.ts";
import { holdsRun } from "../run/run-directory.ts";

/**
 * `base`, or `base-2`, `base-3`, … A new run takes the first that holds no run; a resumed one the last that holds one.
 */
export async function runFolderFor(base: string, resume: boolean): Promise<string> {
  const name = basename(base);
  const taken: number[] = [];
  for (const entry of await listFolder(dirname(base))) {
    const number =
      entry === name ? 1 : entry.startsWith(`${name}-`) ? Number(entry.slice(name.length + 1)) : Number.NaN;
    if (Number.isInteger(number) && number > 0 && (await holdsRun(join(dirname(base), entry)))) taken.push(number);
  }
  const last = Math.max(0, ...taken);
  const chosen = resume ? Math.max(1, last) : last + 1;
  return chosen === 1 ? base : `${base}-${chosen}`;
}
