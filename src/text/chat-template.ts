// Chat messages to a prompt. Whatever stands in a message stays text: only the template writes special tokens.

import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { RlvrError } from "../errors.ts";
import type { TextPiece } from "./special-tokens.ts";
import { withTimeLimit } from "./time-limit.ts";

export type ChatMessage = { role: "system" | "user" | "assistant"; content: string };

export type ChatOptions = {
  /** End with the opening of the assistant's turn. */
  addGenerationPrompt: boolean;
  /** Further variables of the template, such as `enable_thinking`. */
  variables?: Readonly<Record<string, string | number | boolean | null>>;
};

export interface ChatTemplate {
  /** The Jinja text. */
  readonly source: string;
  /** The prompt as text, for people and logs; encodeChat gives the ids. */
  renderChat(messages: readonly ChatMessage[], options: ChatOptions): string;
  /** The prompt as ids with exactly one BOS, if the model has one. Special tokens come from the template only. */
  encodeChat(messages: readonly ChatMessage[], options: ChatOptions): Int32Array;
}

export type ChatTemplateParts = {
  source: string;
  origin: string;
  /** Special tokens by their names in templates. */
  variables: Readonly<Record<string, string>>;
  spellsSpecial: (content: string) => boolean;
  encode: (pieces: readonly TextPiece[]) => Int32Array;
};

// A template comes with the model file and is run as a program. It sees only the values given to it, and three
// bounds hold it: its size, the size of what it writes, and the time it takes.
const maxTemplateChars = 256 << 10;
const maxRenderedChars = 16 << 20;
const maxMilliseconds = 2000;
const maxRange = 100_000;

/** Templates that print today's date print this one, in this form: a prompt must not depend on the day. */
const dateString = "26 Jul 2024";

/** @throws RlvrError RLVR_BAD_TEMPLATE when the template is too long or does not parse. */
export function makeChatTemplate(parts: ChatTemplateParts): ChatTemplate {
  const bad = (doing: string, why: string, cause?: unknown) =>
    new RlvrError("RLVR_BAD_TEMPLATE", `[template] ${doing} of ${parts.origin}: ${why}.`, { cause });
  if (parts.source.length > maxTemplateChars) {
    throw bad(
      "reading the chat template",
      `it has ${parts.source.length} characters; at most ${maxTemplateChars} are run`,
    );
  }
  let template: Template;
  try {
    template = withTimeLimit(() => new Template(parts.source), maxMilliseconds);
  } catch (cause) {
    throw bad("parsing the chat template", reasonOf(cause), cause);
  }

  const renderChat = (messages: readonly ChatMessage[], { addGenerationPrompt, variables }: ChatOptions): string => {
    if (messages.length === 0) throw new RangeError("[template] a chat needs at least one message");
    const doing = `rendering ${messages.map((message) => message.role).join(", ")} with the chat template`;
    const values = {
      ...parts.variables,
      tools: null,
      documents: null,
      date_string: dateString,
      ...variables,
      add_generation_prompt: addGenerationPrompt,
      messages: messages.map(({ role, content }) => ({ role, content })),
    };
    let text: string;
    try {
      text = withTimeLimit(() => runTemplate(template, values), maxMilliseconds);
    } catch (cause) {
      throw bad(doing, reasonOf(cause), cause);
    }
    if (text.length > maxRenderedChars) {
      throw bad(doing, `it wrote ${text.length} characters; at most ${maxRenderedChars} are kept`);
    }
    return text;
  };

  const encodeChat = (messages: readonly ChatMessage[], options: ChatOptions): Int32Array => {
    const rendered = renderChat(messages, options);
    const placeholders = placeholdersFor(messages, parts.source);
    const stubs = messages.map((message, i) =>
      message.content === "" ? message : { ...message, content: placeholders.texts[i] as string },
    );
    const pieces = locateContents(rendered, renderChat(stubs, options), messages, placeholders.pattern);
    if (pieces !== undefined) return parts.encode(pieces);
    // The template rewrites contents. Harmless as long as none of them spells a special token.
    const unsafe = messages.findIndex((message) => parts.spellsSpecial(message.content));
    if (unsafe >= 0) {
      throw bad(
        "encoding a chat with the chat template",
        `message ${unsafe + 1} spells a special token and the template rewrites messages, so the two cannot be told apart`,
      );
    }
    return parts.encode([{ text: rendered, trusted: true }]);
  };
  return { source: parts.source, renderChat, encodeChat };
}

/** Renders with the globals that transformers gives to chat templates, without a clock and with bounded ranges. */
function runTemplate(template: Template, values: Readonly<Record<string, unknown>>): string {
  const globals: Record<string, unknown> = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: unknown) => {
      throw new Error(String(message));
    },
    strftime_now: () => dateString,
    range: boundedRange,
  };
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...globals, ...values })) environment.set(name, value);
  return String(new Interpreter(environment).run(template.parsed).value);
}

function boundedRange(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const count = Math.ceil((stop - start) / step);
  if (!(count <= maxRange)) throw new Error(`range() over ${count} numbers; at most ${maxRange} are allowed`);
  return Array.from({ length: Math.max(count, 0) }, (_, i) => start + i * step);
}

/** Text that stands in for each message and occurs nowhere else: private characters around the message's number. */
function placeholdersFor(messages: readonly ChatMessage[], template: string): { texts: string[]; pattern: RegExp } {
  const taken = (mark: string) => template.includes(mark) || messages.some(({ content }) => content.includes(mark));
  let code = 0xf0000;
  while (taken(String.fromCodePoint(code))) ++code;
  const mark = String.fromCodePoint(code);
  return { texts: messages.map((_, i) => `${mark}${i}${mark}`), pattern: new RegExp(`${mark}(\\d+)${mark}`, "u") };
}

/**
 * The rendered prompt cut into the template's own text (trusted) and the messages (not trusted). The prompt rendered
 * with placeholders says what stands around each message; the message itself may have been trimmed on the way.
 * Undefined when the prompt cannot be read that way.
 */
function locateContents(
  rendered: string,
  skeleton: string,
  messages: readonly ChatMessage[],
  pattern: RegExp,
): TextPiece[] | undefined {
  const parts = skeleton.split(pattern); // literal, number, literal, number, ..., literal
  const failed = new Set<string>();
  const match = (index: number, position: number): TextPiece[] | undefined => {
    const literal = parts[index] as string;
    if (!rendered.startsWith(literal, position)) return undefined;
    const after = position + literal.length;
    const own: TextPiece = { text: literal, trusted: true };
    if (index === parts.length - 1) return after === rendered.length ? [own] : undefined;
    const state = `${index}:${position}`;
    if (failed.has(state)) return undefined;
    const content = messages[Number(parts[index + 1])]?.content ?? "";
    for (const text of new Set([content, content.trim(), content.trimStart(), content.trimEnd()])) {
      if (!rendered.startsWith(text, after)) continue;
      const rest = match(index + 2, after + text.length);
      if (rest !== undefined) return [own, { text, trusted: false }, ...rest];
    }
    failed.add(state);
    return undefined;
  };
  return match(0, 0);
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/\.$/, "") : String(cause);
}
