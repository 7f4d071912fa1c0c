// Ids of 2,400 varied texts, and of real questions, on every way in which a tokenizer comes.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import { sharedData, skipsSharedData } from "../shared-data.ts";
import { writeGemmaFolder } from "./gemma-folder.ts";
import { differing, manyTexts, tokenHashes } from "./many-texts.ts";
import { realModels, runsWithModel } from "./real-models.ts";

const texts = manyTexts();

async function encoderOf(path: string) {
  const tokenizer = await loadTokenizer(path);
  return (text: string) => tokenizer.encode(text, { parseSpecial: true });
}

test("there are more than 2,000 texts, each with a hash for both models", () => {
  expect(texts.length).toBeGreaterThan(2000);
  for (const { hashes } of Object.values(tokenHashes.models)) expect(hashes.length).toBe(8 * texts.length);
  expect(Object.keys(tokenHashes.models)).toEqual(["smollm2", "gemma3-270m"]);
});

test.runIf(runsWithModel(realModels.smollm))("SmolLM2's GGUF file gives the ids of the Python library", async () => {
  const encode = await encoderOf(realModels.smollm);
  expect(differing(texts, "smollm2", encode)).toEqual([]);
  // The comparison can fail: one more space, and the other model's ids.
  expect(differing(texts, "smollm2", (text) => encode(`${text} `)).length).toBeGreaterThan(2000);
  expect(differing(texts, "gemma3-270m", encode).length).toBe(texts.length);
});

describe.runIf(runsWithModel(realModels.gemma))("Gemma 3's 262,144 tokens", () => {
  test("of the GGUF file give the ids of the Python library", async () => {
    expect(differing(texts, "gemma3-270m", await encoderOf(realModels.gemma))).toEqual([]);
  });

  test("of a model folder give the ids of the Python library and decode alike", { timeout: 60_000 }, async () => {
    const folder = writeGemmaFolder(realModels.gemma);
    const encode = await encoderOf(folder);
    expect(differing(texts, "gemma3-270m", encode)).toEqual([]);
    const [ofFolder, ofFile] = [await loadTokenizer(folder), await loadTokenizer(realModels.gemma)];
    const decoded = texts.filter((text) => {
      const ids = encode(text);
      return ofFolder.decode(ids) !== ofFile.decode(ids);
    });
    expect(decoded).toEqual([]);
  });

  test.skipIf(skipsSharedData)(
    "give the ids of the JavaScript library on real questions",
    { timeout: 120_000 },
    async () => {
      const folder = writeGemmaFolder(realModels.gemma);
      const encode = await encoderOf(folder);
      const library = new Library(JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8")), {});
      const questions = realQuestions();
      expect(questions.length).toBe(120);
      const wrong = questions.filter(
        (text) => [...encode(text)].join() !== library.encode(text, { add_special_tokens: false }).ids.join(),
      );
      expect(wrong).toEqual([]);
    },
  );
});

/** Every so many of MedQA's and CMMLU's rows, as they stand in their files. */
function realQuestions(): string[] {
  const lines = (path: string, every: number) =>
    readFileSync(path, "utf8")
      .split("\n")
      .filter((line, i) => i % every === 0 && line !== "");
  const medqa = join(sharedData, "medqa", "data_clean", "questions", "US");
  const english = readdirSync(medqa, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => lines(join(medqa, name), 40));
  const cmmlu = join(sharedData, "cmmlu", "dev");
  const chinese = readdirSync(cmmlu).flatMap((name) => lines(join(cmmlu, name), 2));
  expect(english.length * chinese.length).toBeGreaterThan(0);
  // The library takes quadratic time: the rows are cut, and few.
  return [...english.slice(0, 40), ...chinese.slice(0, 80)].map((text) => text.slice(0, 400));
}
