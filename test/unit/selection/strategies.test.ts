import { expect, test } from "vitest";
import { defineAs } from "../../../src/config/resolve.ts";
import { selectKind } from "../../../src/config/select-schema.ts";
import { compose, type Overlap, poolsOf, type Strategy } from "../../../src/selection/strategies.ts";
import { known } from "./fixtures.ts";

const strategy = (changes: Partial<Strategy>): Strategy => ({
  ...defineAs(selectKind, { candidates: { source: "-" }, model: { path: "-" } }).strategy,
  ...changes,
});
// 20 candidates of 4 answers each: 4 at each of the pass rates 0, 1/4, 1/2, 3/4, 1.
const candidates = Array.from({ length: 20 }, (_, index) => known(`q${index}`, index % 5, 4));
const none = () => [];
const rate = (id: string) => (Number(id.slice(1)) % 5) / 4;

function take(changes: Partial<Strategy>, seed = 1, overlaps: (ids: string[]) => string[] = none) {
  const lookUp = (tried: readonly { id: string }[]) =>
    overlaps(tried.map(({ id }) => id)).map(
      (id): Overlap => ({ question_id: id, kind: "exact", row: "r", words: "", share: 1 }),
    );
  const composition = compose(poolsOf(candidates, strategy(changes), seed), candidates.length, lookUp);
  return { ...composition, ids: composition.taken.map(({ candidate }) => candidate.id) };
}

test("filter: so many hard, then so many easy; nothing twice; the same for the same seed", () => {
  const { ids, pools, taken } = take({ kind: "filter", hard: 6, easy: 4 });
  expect(ids.map((id) => rate(id) < 0.5)).toEqual([...Array(6).fill(true), ...Array(4).fill(false)]);
  expect(taken.map(({ pool }) => pool)).toEqual([...Array(6).fill("hard"), ...Array(4).fill("easy")]);
  expect(new Set(ids).size).toBe(10);
  expect(pools).toEqual([
    { name: "hard", found: 8, taken: 6 },
    { name: "easy", found: 12, taken: 4 },
  ]);
  expect(take({ kind: "filter", hard: 6, easy: 4 }).ids).toEqual(ids);
  expect(take({ kind: "filter", hard: 6, easy: 4 }, 2).ids).not.toEqual(ids);
  // Fewer of them are the first of those: composing again keeps what was chosen.
  expect(take({ kind: "filter", hard: 3, easy: 0 }).ids).toEqual(ids.slice(0, 3));
});

test("random: any, without replacement, whatever is known of them", () => {
  const { ids } = take({ kind: "random", count: 20 });
  expect([...ids].sort()).toEqual(candidates.map(({ id }) => id).sort());
  expect(ids).not.toEqual(candidates.map(({ id }) => id));
});

test("a window of pass rates, its ends included", () => {
  expect(
    take({ kind: "pass_rate", count: 12, minPassRate: 0.25, maxPassRate: 0.75 }).ids.every(
      (id) => rate(id) >= 0.25 && rate(id) <= 0.75,
    ),
  ).toBe(true);
  expect(() => take({ kind: "pass_rate", count: 13, minPassRate: 0.25, maxPassRate: 0.75 })).toThrow(
    "13 wanted, 12 of 20",
  );
});

test("percentiles: the hardest first, ties in the seed's order", () => {
  expect(take({ kind: "percentile", count: 4, fromPercentile: 0, toPercentile: 20 }).ids.map(rate)).toEqual([
    0, 0, 0, 0,
  ]);
  expect(take({ kind: "percentile", count: 4, fromPercentile: 80, toPercentile: 100 }).ids.map(rate)).toEqual([
    1, 1, 1, 1,
  ]);
  const ties = (seed: number) => take({ kind: "percentile", count: 2, fromPercentile: 0, toPercentile: 10 }, seed).ids;
  expect(new Set([1, 2, 3, 4, 5].map((seed) => ties(seed).join())).size).toBeGreaterThan(1);
});

test("too few are an error that says how many there are and what to do", () => {
  const failing = () => take({ kind: "filter", hard: 9, easy: 400 });
  expect(failing).toThrowError(
    expect.objectContaining({
      code: "RLVR_BAD_DATA",
      message: [
        "[select] too few candidates",
        "  hard: 9 wanted, 8 of 20 candidates are; lower strategy.hard",
        "  easy: 400 wanted, 12 of 20 candidates are; lower strategy.easy",
        "  Or add candidates (candidates.source, candidates.limit). The answers so far are kept: nothing is asked again.",
      ].join("\n"),
    }),
  );
});

test("those in an evaluation set are replaced by the next in order, which are looked up too", () => {
  const clean = take({ kind: "filter", hard: 4, easy: 0 }).ids;
  const all = take({ kind: "filter", hard: 8, easy: 0 }).ids;
  const bad = [clean[0] ?? "", clean[2] ?? "", all[4] ?? ""];
  const { ids, replaced } = take({ kind: "filter", hard: 4, easy: 0 }, 1, (tried) =>
    tried.filter((id) => bad.includes(id)),
  );
  expect(ids).toEqual(all.filter((id) => !bad.includes(id)).slice(0, 4));
  expect(replaced.map(({ question_id }) => question_id)).toEqual(bad);
  expect(() => take({ kind: "filter", hard: 4, easy: 0 }, 1, (tried) => tried)).toThrow(
    "of which 8 are in an evaluation set",
  );
});
