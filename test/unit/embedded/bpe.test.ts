import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { trainBpe } from "../../../src/embedded/bpe.ts";
import { buildTokenizer, specialTokens, tagTokens, tokenizerConfig } from "../../../src/embedded/tokenizer.ts";

const request = { specialTokens: ["<pad>", "<unk>"], addedTokens: ["<tag>"], unknownToken: "<unk>" };

describe("training a byte-pair encoding", () => {
  it("merges the most frequent pair first, equal counts in the order of their text", () => {
    // "low" three times and "lot" once: l+o four times; then lo+w three times; then lo+t once.
    const { merges } = trainBpe({ ...request, texts: ["low,low,low,lot"], vocabSize: 1000 }).model;
    expect(merges).toEqual([
      ["l", "o"],
      ["lo", "w"],
      ["lo", "t"],
    ]);
  });

  it("stops at the size that was asked for", () => {
    // 3 whole tokens, 256 bytes, 94 printable characters, and the mark for spaces are there before any merge.
    const vocab = (vocabSize: number) =>
      Object.keys(trainBpe({ ...request, texts: ["low low lot"], vocabSize }).model.vocab).length;
    expect(vocab(355)).toBe(355);
    expect(vocab(10)).toBe(354);
  });

  it("never merges across digits, words or whole tokens", () => {
    const tokens = Object.keys(
      trainBpe({ ...request, texts: ["12 12 ab cd ab cd a<tag>b"], vocabSize: 1000 }).model.vocab,
    );
    expect(tokens).toContain("▁ab");
    expect(tokens).not.toContain("12");
    expect(tokens.filter((token) => /b▁|a</.test(token))).toEqual([]);
  });
});

describe("the embedded model's tokenizer", () => {
  const json = buildTokenizer();
  const tokenizer = new Tokenizer(json, tokenizerConfig());
  const ids = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids;

  it("has about 512 tokens, Gemma's special tokens first", () => {
    expect(Object.keys(json.model.vocab)).toHaveLength(511);
    expect(specialTokens.map((token) => json.model.vocab[token])).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("writes a card with each word, option letter and tag as one token and each digit alone", () => {
    const tokens = tokenizer.tokenize("<think> T 37.1 ok. So fever.\nA. fever yes\n</think>\n<answer> A </answer>");
    expect(tokens.join("|")).toBe(
      "<think>|▁T|▁|3|7|.|1|▁ok|.|▁So|▁fever|.|\n|A.|▁fever|▁yes|\n|</think>|\n|<answer>|▁A|▁|</answer>",
    );
  });

  it("gives back every text, also what it never saw", () => {
    for (const text of ["  two  spaces\n\n", "Ünïcode 漢字 🙂", "a\tb\r\n", "e\u0301 ½ ٣", "vitamin D. and A.B.C."]) {
      expect(tokenizer.decode(ids(text), { skip_special_tokens: true })).toBe(text);
    }
  });

  it("keeps the tags when special tokens are left out, because the rewards read them", () => {
    const text = `${tagTokens.join("x")}<end_of_turn>`;
    expect(tokenizer.decode(ids(text), { skip_special_tokens: true })).toBe(tagTokens.join("x"));
  });
});
