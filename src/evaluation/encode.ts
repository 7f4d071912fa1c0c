// Prompts and choices as token ids.
import { createHash } from "node:crypto";
import { RlvrError } from "../errors.ts";
import type { ChatMessage } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type AskedRow, choiceTexts, promptText } from "./prompts.ts";
import type { BenchmarkProtocol } from "./protocol.ts";

/** A row as the model gets it. */
export interface EncodedRow extends AskedRow {
  /** sha256 of the prompt's text, chat template included, hex. */
  readonly promptHash: string;
  readonly promptIds: Int32Array;
  /** What is scored for each option; empty where the answer is generated. */
  readonly choices: readonly Int32Array[];
  /** The prompt was longer than the context, and its beginning was cut off. */
  readonly isCut: boolean;
}

/** Encodes a row under a protocol for a model with so many positions. */
export function encodeRow(
  asked: AskedRow,
  part: BenchmarkProtocol,
  tokenizer: Tokenizer,
  contextLength: number,
): EncodedRow {
  const fitting = part.fit === null ? asked : fitted(asked, part, tokenizer, part.fit);
  const text = promptText(fitting, part);
  const whole = encodePrompt(text, part, tokenizer);
  const choices = part.mode === "generate" ? [] : encodeChoices(fitting, text, whole, part, tokenizer);
  // The last token of a choice is only predicted, so it needs no position.
  const longestChoice = Math.max(0, ...choices.map(({ length }) => length - 1));
  const room = contextLength - (part.mode === "generate" ? part.max_new_tokens : longestChoice);
  if (room < 1) {
    throw new RlvrError(
      "RLVR_BAD_ARGUMENT",
      `[evaluate] answers of ${part.max_new_tokens} tokens leave no room for a prompt in the model's ${contextLength} ` +
        "positions; set --max-new-tokens lower",
    );
  }
  const isCut = whole.length > room;
  return {
    ...fitting,
    promptHash: createHash("sha256")
      .update(shownPrompt(text, part, tokenizer))
      .digest("hex"),
    promptIds: isCut ? whole.slice(whole.length - room) : whole,
    choices,
    isCut,
  };
}

/** The row with as many of its examples as leave the prompt within the protocol's limit. */
function fitted(
  asked: AskedRow,
  part: BenchmarkProtocol,
  tokenizer: Tokenizer,
  { max_tokens, drop }: NonNullable<BenchmarkProtocol["fit"]>,
): AskedRow {
  let { shots } = asked;
  while (shots.length > 0 && encodePrompt(promptText({ ...asked, shots }, part), part, tokenizer).length > max_tokens) {
    const lengths = shots.map(({ question, options }) => question.length + options.join("").length);
    const leaving = drop === "last" ? shots.length - 1 : lengths.indexOf(Math.max(...lengths));
    shots = shots.filter((_, index) => index !== leaving);
  }
  return { ...asked, shots };
}

function messagesOf(text: string, { system }: BenchmarkProtocol): ChatMessage[] {
  return [...(system === null ? [] : [{ role: "system", content: system } as const]), { role: "user", content: text }];
}

function chatOf(tokenizer: Tokenizer): NonNullable<Tokenizer["chat"]> {
  if (tokenizer.chat !== undefined) return tokenizer.chat;
  throw new RlvrError(
    "RLVR_BAD_TEMPLATE",
    "[evaluate] this protocol asks in chat form, but the model has no chat template; choose a protocol of raw prompts " +
      "(lm-eval, official), or an instruction-tuned model",
  );
}

function encodePrompt(text: string, part: BenchmarkProtocol, tokenizer: Tokenizer): Int32Array {
  if (part.chat) return chatOf(tokenizer).encodeChat(messagesOf(text, part), { addGenerationPrompt: true });
  return tokenizer.encode(text, { addBos: part.bos === "model" });
}

function shownPrompt(text: string, part: BenchmarkProtocol, tokenizer: Tokenizer): string {
  return part.chat ? chatOf(tokenizer).renderChat(messagesOf(text, part), { addGenerationPrompt: true }) : text;
}

function encodeChoices(
  asked: AskedRow,
  text: string,
  prompt: Int32Array,
  part: BenchmarkProtocol,
  tokenizer: Tokenizer,
): Int32Array[] {
  return choiceTexts(asked.row, part).map((choice) => {
    // A continuation is what the whole text has more than the prompt, as in lm-eval: tokens may span the seam.
    const ids =
      part.mode === "log-likelihood" && !part.chat
        ? encodePrompt(text + choice, part, tokenizer).slice(prompt.length)
        : tokenizer.encode(choice);
    const isSingle = ids.length === 1;
    if (isSingle || (part.mode === "log-likelihood" && ids.length > 0)) return ids;
    throw new RlvrError(
      "RLVR_UNSUPPORTED_OP",
      `[evaluate] the choice ${JSON.stringify(choice)} has ${ids.length} tokens in this model; mode "${part.mode}" ` +
        'needs one; a protocol with mode "log-likelihood" scores choices of any length',
    );
  });
}
