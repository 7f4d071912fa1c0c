// Which rows go to the engine in one call: a forest of beginnings that prompts share, each computed once a call.
import type { EncodedRow } from "./encode.ts";

/** Rows of one subject whose prompts begin with the same tokens. */
export interface RowGroup {
  readonly rows: readonly EncodedRow[];
  /** How many tokens all prompts begin with; each prompt has at least one more. 0: they are not worth a branch. */
  readonly sharedTokens: number;
}

export type RowBatch = readonly RowGroup[];

// Rows of a call: few enough for progress and for a journal that is never far behind, and enough that a shared beginning,
// which each call computes once, is a small part of the work.
const leastRows = 32;
const ownOverShared = 16;

/** Cuts the rows of one subject into groups of one call at most. The order stays. */
export function rowGroups(rows: readonly EncodedRow[]): RowGroup[] {
  const sharedTokens = commonTokens(rows.map(({ promptIds }) => promptIds));
  const groups: RowGroup[] = [];
  let start = 0;
  let own = 0;
  for (const [index, { promptIds }] of rows.entries()) {
    own += promptIds.length - sharedTokens;
    const count = index + 1 - start;
    const isLast = index + 1 === rows.length;
    if (!isLast && (count < leastRows || own < ownOverShared * sharedTokens)) continue;
    groups.push({ rows: rows.slice(start, index + 1), sharedTokens: count === 1 ? 0 : sharedTokens });
    start = index + 1;
    own = 0;
  }
  return groups;
}

/** Collects groups into calls of at least `leastRows` rows, whatever their subjects; the last call may have fewer. */
export class BatchCollector {
  #groups: RowGroup[] = [];

  /** The call that these groups fill, if they fill one. */
  add(group: RowGroup): RowBatch | undefined {
    this.#groups.push(group);
    return rowsOf(this.#groups).length < leastRows ? undefined : this.rest();
  }

  /** What is left at the end. */
  rest(): RowBatch | undefined {
    const batch = this.#groups;
    this.#groups = [];
    return batch.length === 0 ? undefined : batch;
  }
}

/** All rows of a call, in order. */
export function rowsOf(batch: RowBatch): EncodedRow[] {
  return batch.flatMap(({ rows }) => rows);
}

/** How many tokens all prompts begin with, leaving each at least one of its own; 0 for a single prompt. */
function commonTokens(prompts: readonly Int32Array[]): number {
  const [first] = prompts;
  if (first === undefined || prompts.length === 1) return 0;
  let shared = Math.min(...prompts.map(({ length }) => length - 1));
  for (const prompt of prompts) {
    let same = 0;
    while (same < shared && prompt[same] === first[same]) same += 1;
    shared = same;
  }
  return shared;
}
