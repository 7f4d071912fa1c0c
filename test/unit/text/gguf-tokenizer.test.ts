import { expect, test } from "vitest";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import {
  bool,
  byteAlphabet,
  type Entry,
  float32s,
  ggufBytes,
  int32s,
  string,
  strings,
  uint32,
  writeTemporary,
} from "./gguf-fixture.ts";

const key = (name: string) => `tokenizer.ggml.${name}`;
const load = (entries: Entry[]) => loadTokenizer(writeTemporary(ggufBytes(entries)));
const refusal = (entries: Entry[]) =>
  load(entries).then(
    () => "accepted",
    (error) => `${error.code} ${error.message}`,
  );
/** The entries with those of the same key replaced, or taken out where `changes` has null. */
function changed(entries: Entry[], changes: Record<string, Entry | null>): Entry[] {
  const kept = entries.filter((entry) => !(entry.key in changes));
  return [...kept, ...Object.values(changes).filter((entry) => entry !== null)];
}

// 0 to 255: bytes; then merges, a user-defined token and two control tokens.
const byteLevel: Entry[] = [
  string(key("model"), "gpt2"),
  string(key("pre"), "smollm"),
  strings(key("tokens"), [...byteAlphabet(), "hi", "Ġhi", "12", "<tag>", "<|im_start|>", "<|im_end|>", "<pad7>"]),
  int32s(key("token_type"), [...Array(259).fill(1), 4, 3, 3, 5]),
  strings(key("merges"), ["h i", "Ġ hi", "1 2"]),
  uint32(key("bos_token_id"), 260),
  uint32(key("eos_token_id"), 261),
  bool(key("add_bos_token"), false),
  string("tokenizer.chat_template", "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"),
];

test("a byte-level vocabulary encodes and decodes", async () => {
  const tokenizer = await load(byteLevel);
  expect([...tokenizer.encode("hi hi")]).toEqual([256, 257]);
  expect(tokenizer.decode(tokenizer.encode("né\n  日本 🙂 \u200b\ufeff"))).toBe("né\n  日本 🙂 \u200b\ufeff");
  expect([...tokenizer.encode("é")]).toEqual([0xc3, 0xa9]);
});

test("the pre-tokenizer of the name is used: smollm cuts numbers into digits, gpt-2 does not", async () => {
  expect([...(await load(byteLevel)).encode("12")]).toEqual([0x31, 0x32]);
  const gpt2 = await load(changed(byteLevel, { [key("pre")]: string(key("pre"), "gpt-2") }));
  expect([...gpt2.encode("12")]).toEqual([258]);
});

test("user-defined tokens are found in any text, control tokens only in trusted text, unused ones never", async () => {
  const tokenizer = await load(byteLevel);
  expect([...tokenizer.encode("hi<tag>hi")]).toEqual([256, 259, 256]);
  expect([...tokenizer.encode("<|im_end|>")]).not.toContain(261);
  expect([...tokenizer.encode("<|im_end|>", { parseSpecial: true })]).toEqual([261]);
  expect([...tokenizer.encode("<pad7>", { parseSpecial: true })]).not.toContain(262);
});

test("ids, stop set and chat template come from the metadata", async () => {
  const tokenizer = await load(byteLevel);
  expect([tokenizer.bosId, tokenizer.addsBos, tokenizer.eosIds, tokenizer.stopIds, tokenizer.vocabSize]).toEqual([
    260,
    false,
    [261],
    [261],
    263,
  ]);
  const ids = tokenizer.chat?.encodeChat([{ role: "user", content: "hi<|im_end|>" }], { addGenerationPrompt: false });
  expect([...(ids ?? [])].filter((id) => id > 258)).toEqual([260, 261]);
});

test("an end-of-turn token named by the file joins the stop set", async () => {
  expect((await load([...byteLevel, uint32(key("eot_token_id"), 256)])).stopIds).toEqual([261, 256]);
});

// SentencePiece: scores fall with the id, so the order of merges can be read off.
const bytePieces = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
const words = ["▁", "h", "e", "l", "o", "he", "ll", "hell", "▁hell", "▁hello", "lo", "hello", "  "];
const pieces = ["<pad>", "<eos>", "<bos>", "<unk>", ...bytePieces, ...words, "<start_of_turn>"];
const firstWord = 4 + 256;
const idOf = (piece: string) => (piece === "▁▁" ? firstWord + 12 : pieces.indexOf(piece));
const spm: Entry[] = [
  string(key("model"), "llama"),
  strings(key("tokens"), pieces),
  float32s(
    key("scores"),
    pieces.map((_, id) => (id < firstWord ? -1000 : firstWord - id)),
  ),
  int32s(key("token_type"), [3, 3, 3, 2, ...Array(256).fill(6), ...Array(12).fill(1), 4, 3]),
  uint32(key("bos_token_id"), 2),
  uint32(key("eos_token_id"), 1),
  uint32(key("unknown_token_id"), 3),
  bool(key("add_space_prefix"), false),
];

test("a SentencePiece vocabulary merges the best score first", async () => {
  const tokenizer = await load(spm);
  expect([...tokenizer.encode("hello")]).toEqual([idOf("hello")]);
  expect([...tokenizer.encode(" hello")]).toEqual([idOf("▁hello")]);
  // "hell" (score -7) is better than "lo" (-10), so the o stays alone when nothing covers all five.
  const without = pieces.map((piece) => (piece === "hello" ? "h~" : piece === "▁hello" ? "e~" : piece));
  const shorter = await load(changed(spm, { [key("tokens")]: strings(key("tokens"), without) }));
  expect([...shorter.encode("hello")]).toEqual([idOf("hell"), idOf("o")]);
});

test("characters without a piece become bytes and come back", async () => {
  const tokenizer = await load(spm);
  expect([...tokenizer.encode("é")]).toEqual([4 + 0xc3, 4 + 0xa9]);
  for (const text of ["hello é\n日本 🙂", "\t tab", "  two  spaces  ", "\ufeff"]) {
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  }
});

test("runs of spaces written as spaces in the file are found as ▁ pieces", async () => {
  expect([...(await load(spm)).encode("  hello")]).toEqual([idOf("▁▁"), idOf("hello")]);
  expect([...(await load(spm)).encode("h  h")]).toEqual([idOf("h"), idOf("▁▁"), idOf("h")]);
});

test("without a dummy prefix text starts as it is; with one a space stands before it and is taken off again", async () => {
  const llama = await load(changed(spm, { [key("add_space_prefix")]: null }));
  expect([...llama.encode("hello")]).toEqual([idOf("▁hello")]);
  expect(llama.decode([idOf("▁hello")])).toBe("hello");
  expect((await load(spm)).decode([idOf("▁hello")])).toBe(" hello");
});

test("the SentencePiece family adds a BOS unless the file says otherwise", async () => {
  expect([...(await load(spm)).encode("hello", { addBos: true })]).toEqual([2, idOf("hello")]);
  const never = await load([...spm, bool(key("add_bos_token"), false)]);
  expect([...never.encode("hello", { addBos: true })]).toEqual([idOf("hello")]);
});

test("byte pieces and control tokens spelled in text stay text", async () => {
  const tokenizer = await load(spm);
  for (const text of ["<0x41>", "<bos>", "<start_of_turn>"]) {
    const ids = [...tokenizer.encode(text)];
    expect(ids).not.toContain(pieces.indexOf(text));
    expect(tokenizer.decode(ids)).toBe(text);
  }
});

test("Phi-3's control tokens swallow the white space after them", async () => {
  const tokenizer = await load([...spm, string("general.architecture", "phi3")]);
  const after = [...tokenizer.encode("<start_of_turn>\nhello", { parseSpecial: true })];
  expect(after).toEqual([idOf("<start_of_turn>"), idOf("▁hello")].map((id, i) => (i === 0 ? id : idOf("hello"))));
});

test("a tokenizer that cannot be rebuilt is refused with the key at fault", async () => {
  const change = (name: string, entry: Entry | null, base = byteLevel) =>
    refusal(changed(base, { [key(name)]: entry }));
  expect(await change("model", null)).toContain(`tokenizer.ggml.model is "absent"`);
  expect(await change("model", string(key("model"), "bert"))).toContain(`tokenizer.ggml.model is "bert"`);
  expect(await change("pre", string(key("pre"), "new-kid"))).toMatch(/pre-tokenizer "new-kid" is not known/);
  expect(await change("tokens", null)).toContain("tokens is absent");
  expect(await change("tokens", uint32(key("tokens"), 1))).toContain("tokens is number, not a list of strings");
  expect(await change("token_type", int32s(key("token_type"), [1]))).toContain("1 token types for 263 tokens");
  expect(await change("merges", null)).toContain("merges is absent");
  expect(await change("merges", strings(key("merges"), ["hi"]))).toContain(`merge "hi" is not two tokens`);
  expect(await change("eos_token_id", uint32(key("eos_token_id"), 263))).toContain("eos_token_id is 263");
  expect(await change("tokens", strings(key("tokens"), Array(263).fill("a")))).toContain(`token "a" stands twice`);
  expect(await change("scores", float32s(key("scores"), [1]), spm)).toContain("1 tokenizer.ggml.scores for 274 tokens");
  expect(await change("model", null)).toMatch(/^RLVR_BAD_CHECKPOINT /);
});

test("a file with a damaged byte loads or is refused with a code, whatever the byte", async () => {
  const codes = new Set<string>();
  let state = 1;
  const random = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % limit;
  };
  for (const entries of [byteLevel, spm]) {
    const whole = ggufBytes(entries);
    for (let trial = 0; trial < 300; ++trial) {
      const damaged = Buffer.from(whole);
      damaged[random(whole.length)] = random(256);
      const result = await loadTokenizer(writeTemporary(damaged)).then(
        (tokenizer) => {
          tokenizer.decode(tokenizer.encode("hello é <|im_end|> 12"));
          return "loaded";
        },
        (error) => error.code ?? error.stack,
      );
      codes.add(result);
    }
  }
  expect([...codes].sort()).toEqual(["RLVR_BAD_CHECKPOINT", "RLVR_BAD_TEMPLATE", "loaded"]);
});
