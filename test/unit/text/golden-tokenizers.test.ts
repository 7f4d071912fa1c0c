// Ids of the Python tokenizers library for the two real checkpoints, from test/golden.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import { realModels, runsWithModel } from "./real-models.ts";

type Case = { text: string; ids: number[] };
type Golden = { cases: Case[]; special: Case[] };

const goldens = [
  ["tokenizer-smollm2.json", realModels.smollm],
  ["tokenizer-gemma3-270m.json", realModels.gemma],
] as const;

for (const [file, model] of goldens) {
  describe(file, () => {
    const golden = JSON.parse(readFileSync(new URL(`../../golden/data/${file}`, import.meta.url), "utf8")) as Golden;

    test.runIf(runsWithModel(model))("every text has the golden ids and decodes to itself", async () => {
      expect(golden.cases.length).toBeGreaterThan(100);
      const tokenizer = await loadTokenizer(model);
      const differing = golden.cases.flatMap(({ text, ids }) => {
        const ours = [...tokenizer.encode(text, { parseSpecial: true })];
        const decoded = tokenizer.decode(ids);
        // SentencePiece cannot tell its mark for a space from the character itself.
        const isSame = decoded === text || decoded === text.replaceAll("▁", " ");
        return ours.join() === ids.join() && isSame ? [] : [{ text, ids, ours, decoded }];
      });
      expect(differing).toEqual([]);
    });

    test.runIf(runsWithModel(model))("special tokens in trusted text have the golden ids", async () => {
      expect(golden.special.length).toBeGreaterThan(3);
      const tokenizer = await loadTokenizer(model);
      for (const { text, ids } of golden.special) {
        expect([...tokenizer.encode(text, { parseSpecial: true })], text).toEqual(ids);
        expect([...tokenizer.encode(text)], text).not.toEqual(ids);
      }
    });
  });
}

test("the golden files are there", () => {
  for (const [file] of goldens) expect(existsSync(new URL(`../../golden/data/${file}`, import.meta.url))).toBe(true);
});
