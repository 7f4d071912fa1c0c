// Reads the tokenizer of a Hugging Face model folder: tokenizer.json and the small files around it.

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ioError, RlvrError } from "../errors.ts";
import { openBpeCodec, type TokenizerJson } from "./bpe-codec.ts";
import { ExtendedVocabulary } from "./token-table.ts";
import {
  type Json,
  type JsonObject,
  type ScannedTokenizer,
  scanTokenizerJson,
  TokenizerJsonError,
} from "./tokenizer-json.ts";
import type { AddedToken, TokenizerSource } from "./tokenizer-source.ts";

const maxFileBytes = 256 << 20;
const maxTokenId = (1 << 24) - 1;

/** The tokenizer and its facts (BOS, end tokens, chat template) from a model folder. */
export async function folderTokenizerSource(folder: string): Promise<TokenizerSource> {
  const bytes = await readBytesIfPresent(join(folder, "tokenizer.json"));
  if (bytes === undefined) {
    throw new RlvrError(
      "RLVR_BAD_CHECKPOINT",
      `[tokenizer] reading ${folder}: there is no tokenizer.json.\n` +
        "       Add it (transformers writes it with save_pretrained), or load the model as one GGUF file.",
    );
  }
  const { tokenizer, table, merges } = checkedTokenizer(bytes, folder);
  const [config, generation, model, specialMap] = await Promise.all(
    ["tokenizer_config.json", "generation_config.json", "config.json", "special_tokens_map.json"].map((name) =>
      readObject(join(folder, name)),
    ),
  );
  const named = (key: string) => tokenText(config?.[key]) ?? tokenText(specialMap?.[key]);
  addMissingTokens(tokenizer, config?.added_tokens_decoder);

  const vocabulary = new ExtendedVocabulary(table, tokenizer.added_tokens);

  const textConfig = isObject(model?.text_config) ? model.text_config : undefined;
  const eosIds = new Set<number>();
  const eosOfTokenizer = vocabulary.idOf(named("eos_token") ?? "");
  if (eosOfTokenizer !== undefined) eosIds.add(eosOfTokenizer);
  for (const ids of [generation?.eos_token_id, model?.eos_token_id, textConfig?.eos_token_id]) {
    for (const id of Array.isArray(ids) ? ids : [ids]) if (typeof id === "number" && id >= 0) eosIds.add(id);
  }
  const bosId = [model?.bos_token_id, textConfig?.bos_token_id].find((id) => typeof id === "number");
  const bosToken = named("bos_token") ?? (typeof bosId === "number" ? vocabulary.tokenOf(bosId) : undefined);
  const unkToken = named("unk_token");
  const padToken = named("pad_token");
  const chatTemplate = (await readIfPresent(join(folder, "chat_template.jinja"))) ?? templateOf(config?.chat_template);
  return {
    origin: folder,
    vocabulary,
    addedTokens: tokenizer.added_tokens,
    openCodec: (added) => openBpeCodec(tokenizer, table, merges, vocabulary, added, folder),
    addsBos: bosToken !== undefined && (config?.add_bos_token ?? startsWithToken(tokenizer, bosToken)) === true,
    eosIds: [...eosIds],
    endOfTurnIds: [],
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(unkToken === undefined ? {} : { unkToken }),
    ...(padToken === undefined ? {} : { padToken }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  };
}

function checkedTokenizer(bytes: Uint8Array, folder: string) {
  const bad = (what: string) =>
    new RlvrError(
      "RLVR_BAD_CHECKPOINT",
      `[tokenizer] reading ${join(folder, "tokenizer.json")}: ${what}.\n` +
        "       Save it again with a current version of the tokenizers library.",
    );
  let scanned: ScannedTokenizer;
  try {
    scanned = scanTokenizerJson(bytes);
  } catch (cause) {
    if (!(cause instanceof TokenizerJsonError)) throw cause;
    throw bad(cause.message);
  }
  const { json, vocabulary: table, merges } = scanned;
  const model = json.model;
  if (!isObject(model)) throw bad(`"model" is absent`);
  if (model.type !== undefined && model.type !== "BPE")
    throw bad(`model type ${JSON.stringify(model.type)}; BPE is read`);
  if (table === undefined || merges === undefined) throw bad(`"model" has no vocab or no merges`);
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[key]) throw bad(`the model has a ${key}, ${JSON.stringify(model[key])}; models without one are read`);
  }
  const checkId = (id: Json | undefined, token: string) => {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > maxTokenId) {
      throw bad(`token ${JSON.stringify(token)} has id ${JSON.stringify(id)}; expected 0 to ${maxTokenId}`);
    }
  };
  const added: AddedToken[] = [];
  for (const entry of Array.isArray(json.added_tokens) ? json.added_tokens : []) {
    if (!isObject(entry) || typeof entry.content !== "string") throw bad(`added token ${JSON.stringify(entry)}`);
    checkId(entry.id, entry.content);
    added.push(addedToken(entry.content, entry.id as number, entry));
  }
  const tokenizer: TokenizerJson = {
    ...json,
    added_tokens: added,
    normalizer: json.normalizer ?? null,
    pre_tokenizer: json.pre_tokenizer ?? null,
    post_processor: json.post_processor ?? null,
    decoder: json.decoder ?? null,
    model: model as TokenizerJson["model"],
  };
  return { tokenizer, table, merges };
}

function addedToken(content: string, id: number, entry: JsonObject): AddedToken {
  const special = entry.special === true;
  return {
    id,
    content,
    special,
    normalized: typeof entry.normalized === "boolean" ? entry.normalized : !special,
    lstrip: entry.lstrip === true,
    rstrip: entry.rstrip === true,
    single_word: entry.single_word === true,
  };
}

/** Older folders name some added tokens only in tokenizer_config.json. */
function addMissingTokens(tokenizer: TokenizerJson, decoder: Json | undefined): void {
  if (!isObject(decoder)) return;
  const known = new Set(tokenizer.added_tokens.map((token) => token.id));
  for (const [key, entry] of Object.entries(decoder)) {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id > maxTokenId || known.has(id)) continue;
    if (!isObject(entry) || typeof entry.content !== "string" || entry.content === "") continue;
    tokenizer.added_tokens.push(addedToken(entry.content, id, entry));
  }
}

/** True when the post-processor opens a single text with the token. */
function startsWithToken(tokenizer: TokenizerJson, token: string): boolean {
  const opens = (processor: Json): boolean => {
    if (!isObject(processor)) return false;
    if (Array.isArray(processor.processors)) return processor.processors.some(opens);
    const first = Array.isArray(processor.single) ? processor.single[0] : undefined;
    return isObject(first) && isObject(first.SpecialToken) && first.SpecialToken.id === token;
  };
  return opens(tokenizer.post_processor as Json);
}

/** A token is named by its text or by an object with `content`. */
function tokenText(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value;
  return isObject(value) && typeof value.content === "string" ? value.content : undefined;
}

/** One template, or the one named "default" of several. */
function templateOf(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const entry = value.find((item) => isObject(item) && item.name === "default");
  return isObject(entry) && typeof entry.template === "string" ? entry.template : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function readObject(path: string): Promise<JsonObject | undefined> {
  const text = await readIfPresent(path);
  return text === undefined ? undefined : parseObject(text, path);
}

function parseObject(text: string, path: string): JsonObject {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw new RlvrError("RLVR_BAD_CHECKPOINT", `[tokenizer] reading ${path}: it is not JSON. Download it again.`, {
      cause,
    });
  }
  if (!isObject(value)) {
    throw new RlvrError(
      "RLVR_BAD_CHECKPOINT",
      `[tokenizer] reading ${path}: an object was expected. Download it again.`,
    );
  }
  return value;
}

async function readIfPresent(path: string): Promise<string | undefined> {
  return (await readBytesIfPresent(path))?.toString("utf8");
}

async function readBytesIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) {
      throw new RlvrError(
        "RLVR_BAD_CHECKPOINT",
        `[tokenizer] ${path} has ${size} bytes; at most ${maxFileBytes} are read.`,
      );
    }
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw ioError(`reading ${path}`, cause);
  }
}
