import { expect, test } from "vitest";
import { withRealSelectPaths } from "../../../src/config/load-select.ts";
import { defineAs, resolveAs } from "../../../src/config/resolve.ts";
import { selectJsonSchema, selectKind } from "../../../src/config/select-schema.ts";
import { showAs } from "../../../src/config/show.ts";

const resolve = (text: string, ...overrides: string[]) => resolveAs(selectKind, text, "select.yaml", overrides);
const least = "candidates: { source: train.jsonl }\nmodel: { path: m.gguf }\n";

test("the defaults are the paper's filter, each with an origin", () => {
  const { config } = resolve(least);
  expect(config.strategy).toMatchObject({ kind: "filter", hard: 400, easy: 100, rule: "all", count: 500 });
  expect(config.sampling).toMatchObject({ samples: 1, maxNewTokens: 1024 });
  expect(selectKind.options.size).toBeGreaterThan(35);
  for (const { path, origin, note } of selectKind.options.values()) {
    expect(["paper", "reconstruction", "ours"], path).toContain(origin);
    expect(note, path).not.toBe("");
  }
});

test("every mistake is reported at once, with its line and the nearest key", () => {
  const text = `${least}strategy:\n  hrad: 3\n  min_pass_rate: 0.8\n  max_pass_rate: 0.2\n  kind: filtre\nsampling: { samples: 0 }\n`;
  expect(() => resolve(text, "decontamination.ngarm=13")).toThrowError(
    expect.objectContaining({
      code: "RLVR_BAD_CONFIG",
      message: [
        "[config] select.yaml: 5 mistakes",
        "  line 8: sampling.samples: got 0; expected at least 1",
        '  line 7: strategy.kind: got "filtre"; expected one of filter, random, pass_rate, percentile',
        "  line 4: strategy.hrad: unknown key; did you mean hard?",
        "  command line: decontamination.ngarm: unknown key; did you mean ngram?",
        "  line 5: strategy.min_pass_rate: is 0.8, above strategy.max_pass_rate, which is 0.2",
      ].join("\n"),
    }),
  );
});

test("a filter needs a model or journals; random needs neither", () => {
  expect(() => resolve("candidates: { source: x }\n")).toThrow(
    "model.path: is null; the strategy filter needs a model",
  );
  expect(resolve("candidates: { source: x }\njournals: [runs/a]\n").config.journals).toEqual(["runs/a"]);
  expect(resolve("candidates: { source: x }\nstrategy: { kind: random }\n").config.model.path).toBeNull();
  expect(() => resolve(least, "strategy.hard=0", "strategy.easy=0")).toThrow("nothing would be chosen");
});

test("what is shown loads back to the same values, and names who set what", () => {
  const { config, setBy } = resolve(least, "strategy.hard=7");
  const shown = showAs(selectKind, config, setBy);
  expect(shown).toContain("hard: 7 # set by the command line");
  expect(shown).toContain("easy: 100 # paper: filter: right and in form");
  expect(resolve(shown).config).toEqual(config);
  expect(showAs(selectKind, defineAs(selectKind, { candidates: { source: "x" }, model: { path: "m" } }))).toContain(
    "set by the caller",
  );
});

test("paths are made real and the output is named after the config", () => {
  const { config } = resolve(
    `candidates: { source: '\${DATA:-data}/x.jsonl' }\nmodel: { path: embedded }\njournals: ['\${OTHER}/b']\n`,
  );
  const real = withRealSelectPaths(config, "configs/select-phi-4.yaml", { OTHER: "runs" });
  expect(real.candidates.source).toBe("data/x.jsonl");
  expect(real.model.path).toMatch(/models.quickstart$/);
  expect([real.journals, real.output.dir]).toEqual([["runs/b"], "runs/select-phi-4"]);
});

test("the JSON Schema for editors has every section", () => {
  expect(Object.keys((selectJsonSchema() as { properties: object }).properties)).toContain("decontamination");
});
