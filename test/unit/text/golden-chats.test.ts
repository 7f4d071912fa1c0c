// Rendered chats and their ids by transformers' chat templates and the Python tokenizers library, from test/golden.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../../src/text/chat-template.ts";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import { realModels, runsWithModel } from "./real-models.ts";

type Case = { messages: ChatMessage[]; add_generation_prompt: boolean; text: string; ids: number[] };

// The Gemma file is of the base model and brings no template: its chats are those of the built-in one.
const goldens = [
  ["chat-smollm2.json", realModels.smollm, {}],
  ["chat-gemma3-270m.json", realModels.gemma, { template: "gemma" }],
] as const;

for (const [file, model, options] of goldens) {
  describe(file, () => {
    test.runIf(runsWithModel(model))("every chat has the golden text and ids", async () => {
      const url = new URL(`../../golden/data/${file}`, import.meta.url);
      const { cases } = JSON.parse(readFileSync(url, "utf8")) as { cases: Case[] };
      expect(cases.length).toBeGreaterThan(10);
      const { chat } = await loadTokenizer(model, options);
      for (const { messages, add_generation_prompt: addGenerationPrompt, text, ids } of cases) {
        expect(chat?.renderChat(messages, { addGenerationPrompt })).toBe(text);
        expect([...(chat?.encodeChat(messages, { addGenerationPrompt }) ?? [])]).toEqual(ids);
      }
    });
  });
}
