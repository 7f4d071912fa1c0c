// Byte-pair encoding against the JavaScript library, and the reading of tokenizer.json that never makes its strings.

import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Bpe, UnknownPieceError } from "../../../src/text/bpe.ts";
import { ExtendedVocabulary, StringList, TokenTable } from "../../../src/text/token-table.ts";
import { scanTokenizerJson } from "../../../src/text/tokenizer-json.ts";

const scan = (value: unknown) =>
  scanTokenizerJson(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));

function bpeOf(
  vocab: Record<string, number>,
  merges: unknown[],
  options: Partial<ConstructorParameters<typeof Bpe>[2]> = {},
) {
  const { vocabulary, merges: table } = scan({ model: { vocab, merges } });
  if (vocabulary === undefined || table === undefined) throw new Error("no model");
  const plain = { ignoreMerges: false, byteFallback: false, unknownId: undefined, fusesUnknown: false };
  return new Bpe(vocabulary, table, { ...plain, ...options });
}

const abc = { a: 0, b: 1, c: 2, ab: 3, bc: 4, abc: 5, "<unk>": 6, "<0xC3>": 7, "<0xA9>": 8 };

test("the earliest merge is made first, and of equal ones the leftmost", () => {
  expect(
    bpeOf(abc, [
      ["a", "b"],
      ["b", "c"],
    ]).encode("abc"),
  ).toEqual([3, 2]);
  expect(
    bpeOf(abc, [
      ["b", "c"],
      ["a", "b"],
    ]).encode("abc"),
  ).toEqual([0, 4]);
  expect(bpeOf({ a: 0, aa: 1 }, [["a", "a"]]).encode("aaaaa")).toEqual([1, 1, 0]);
  expect(
    bpeOf(abc, [
      ["a", "b"],
      ["ab", "c"],
    ]).encode("abcab"),
  ).toEqual([5, 3]);
});

test("a word that is a token is kept whole where merges are ignored", () => {
  expect(bpeOf(abc, [["b", "c"]], { ignoreMerges: true }).encode("abc")).toEqual([5]);
  expect(bpeOf(abc, [["b", "c"]]).encode("abc")).toEqual([0, 4]);
});

test("a character without a token becomes its bytes, else the unknown token, else an error", () => {
  expect(bpeOf(abc, [], { byteFallback: true, unknownId: 6 }).encode("aéb")).toEqual([0, 7, 8, 1]);
  expect(bpeOf(abc, [], { byteFallback: true, unknownId: 6 }).encode("aüb")).toEqual([0, 6, 1]);
  expect(bpeOf(abc, [], { unknownId: 6 }).encode("xyax")).toEqual([6, 6, 0, 6]);
  expect(bpeOf(abc, [], { unknownId: 6, fusesUnknown: true }).encode("xyax")).toEqual([6, 0, 6]);
  expect(() => bpeOf(abc, []).encode("ax")).toThrow(UnknownPieceError);
});

test("random vocabularies give the ids of the library", () => {
  const character = fc.constantFrom("a", "b", "c", "é", "😀");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 30 }),
      fc.array(fc.array(character, { maxLength: 24 }), { minLength: 1, maxLength: 6 }),
      (picks, words) => {
        const pieces = ["a", "b", "c", "é", "😀"];
        const merges: [string, string][] = [];
        for (const [a, b] of picks) {
          const [left, right] = [pieces[a % pieces.length] as string, pieces[b % pieces.length] as string];
          if (pieces.includes(left + right)) continue;
          pieces.push(left + right);
          merges.push([left, right]);
        }
        const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
        const model = { type: "BPE", vocab, merges, unk_token: null };
        const library = new Library(
          { model, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null },
          {},
        );
        const bpe = bpeOf(vocab, merges);
        for (const word of words.map((characters) => characters.join("")).filter((text) => text !== "")) {
          expect([...bpe.encode(word)]).toEqual(library.encode(word, { add_special_tokens: false }).ids);
        }
      },
    ),
  );
});

describe("tokenizer.json", () => {
  test("vocabulary and merges are found in any order, among other keys, with escapes and white space", () => {
    const text = String.raw`{ "x": [1, {"vocab": "]}"}], "model" : { "merges": [["\u0061", "b"] , "b c"], "type": "BPE",
      "vocab": {"\u2581\"\\": 3, "a": 0,"b":1, "\ud83d\ude00" : 2} }, "version": "1.0" } `;
    const { json, vocabulary, merges } = scan(text);
    expect(json).toEqual({
      x: [1, { vocab: "]}" }],
      model: { merges: null, type: "BPE", vocab: null },
      version: "1.0",
    });
    expect(['▁"\\', "a", "b", "😀", "c"].map((token) => vocabulary?.idOf(token))).toEqual([3, 0, 1, 2, undefined]);
    expect([3, 2, 4, -1].map((id) => vocabulary?.tokenOf(id))).toEqual(['▁"\\', "😀", undefined, undefined]);
    expect(merges?.count).toBe(2);
  });

  test("any vocabulary is found again, whatever its spellings and ids", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: "grapheme" }), { maxLength: 60 }),
        fc.boolean(),
        (tokens, pretty) => {
          const vocab = Object.fromEntries(tokens.map((token, i) => [token, (i * 7) % 4096]));
          const { vocabulary } = scan(JSON.stringify({ model: { vocab, merges: [] } }, null, pretty ? 2 : undefined));
          for (const [i, token] of tokens.entries()) {
            expect(vocabulary?.idOf(token)).toBe((i * 7) % 4096);
            expect(vocabulary?.tokenOf((i * 7) % 4096)).toBe(token);
          }
        },
      ),
    );
  });

  test.each([
    ["", "not JSON"],
    ["{", "not JSON"],
    ["[]", "not JSON"],
    ['{"a": 1} x', "not JSON"],
    ['{"a" 1}', "not JSON"],
    ['{"a": tru}', "not JSON"],
    ['{"a": "', "not JSON"],
    ['{"model": {"vocab": {"a": 1', "not JSON"],
    ['{"model": {"vocab": {"a\n": 1}}}', "not JSON"],
    ['{"model": {"vocab": {"a\\x": 1}}}', "not JSON"],
    ['{"model": {"vocab": {"a": 1.5}}}', 'token "a" has id 1.5'],
    ['{"model": {"vocab": {"a": -1}}}', 'token "a" has id -1'],
    ['{"model": {"vocab": {"a": 16777216}}}', 'token "a" has id 16777216; expected 0 to 16777215'],
    ['{"model": {"merges": [["a"]]}}', "is not a pair of tokens"],
    ['{"model": {"merges": [["a", "b", "c"]]}}', "is not a pair of tokens"],
    ['{"model": {"merges": [["a", ""]]}}', "is not a pair of tokens"],
    ['{"model": {"merges": ["ab"]}}', "is not a pair of tokens"],
    ['{"model": {"merges": [7]}}', "is not a pair of tokens"],
  ])("%s is refused", (text, message) => {
    expect(() => scan(text)).toThrow(message);
  });

  test("bytes that are not UTF-8 are refused", () => {
    expect(() => scanTokenizerJson(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow("not UTF-8");
  });

  test("a file cut short at any byte is refused", () => {
    const whole = JSON.stringify({
      model: {
        vocab: { a: 0, "é\n": 1 },
        merges: [
          ["a", "é"],
          ["a", "b"],
        ],
      },
      x: [true, "y"],
    });
    const bytes = Buffer.from(whole);
    for (let length = 0; length < bytes.length; ++length) {
      expect(() => scanTokenizerJson(Buffer.from(bytes.subarray(0, length))), `${length} bytes`).toThrow();
    }
    expect(scan(whole).vocabulary?.size).toBe(2);
  });
});

test("of two equal texts the later one counts, or the caller is told", () => {
  const texts = StringList.of(["x", "y", "x"]);
  expect(new TokenTable(texts).idOf("x")).toBe(2);
  const seen: number[][] = [];
  new TokenTable(texts, { onDuplicate: (...ids) => seen.push(ids) });
  expect(seen).toEqual([[0, 2]]);
});

test("added tokens come before those of the table", () => {
  const vocabulary = new ExtendedVocabulary(new TokenTable(StringList.of(["a", "b"])), [{ content: "b", id: 9 }]);
  expect([vocabulary.idOf("a"), vocabulary.idOf("b"), vocabulary.idOf("c")]).toEqual([0, 9, undefined]);
  expect([vocabulary.tokenOf(1), vocabulary.tokenOf(9), vocabulary.size]).toEqual(["b", "b", 10]);
});
