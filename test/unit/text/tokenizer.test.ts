import { expect, test } from "vitest";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import { byteId, tinyTokenizerJson, writeFolder } from "./tokenizer-fixture.ts";

const config = { bos_token: "<bos>", eos_token: { content: "<eos>" }, add_bos_token: true };
const load = (files: Record<string, unknown> = {}) =>
  loadTokenizer(writeFolder({ "tokenizer.json": tinyTokenizerJson(), "tokenizer_config.json": config, ...files }));
const bytesOf = (text: string) => [...text].map(byteId);

test("text becomes ids by the merges and comes back", async () => {
  const tokenizer = await load();
  expect([...tokenizer.encode("hi hi!")]).toEqual([256, 257, byteId("!")]);
  expect(tokenizer.decode([256, 257, byteId("!")])).toBe("hi hi!");
  expect(tokenizer.encode("hi")).toBeInstanceOf(Int32Array);
  expect(tokenizer.decode(Int32Array.of(256))).toBe("hi");
});

test("empty text has no ids, and no ids are empty text", async () => {
  const tokenizer = await load();
  expect([...tokenizer.encode("")]).toEqual([]);
  expect(tokenizer.decode([])).toBe("");
  expect(tokenizer.decode([259], { skipSpecial: true })).toBe("");
});

test("spaces before punctuation survive decoding", async () => {
  const tokenizer = await load({ "tokenizer_config.json": { ...config, clean_up_tokenization_spaces: true } });
  expect(tokenizer.decode(tokenizer.encode("a , b . n't"))).toBe("a , b . n't");
});

test("a spelled special token is plain text unless the caller asks for ids", async () => {
  const tokenizer = await load();
  expect([...tokenizer.encode("hi<eos>")]).toEqual([256, ...bytesOf("<eos>")]);
  expect([...tokenizer.encode("hi<eos>", { parseSpecial: true })]).toEqual([256, 259]);
});

test("a token that is added but not special is found in any text", async () => {
  const tokenizer = await load();
  expect([...tokenizer.encode("<think>hi")]).toEqual([262, 256]);
});

test("special tokens are spelled when decoded, or left out", async () => {
  const tokenizer = await load();
  expect(tokenizer.decode([258, 256, 261, 257])).toBe("<bos>hi<end_of_turn> hi");
  expect(tokenizer.decode([258, 256, 261, 257], { skipSpecial: true })).toBe("hi hi");
});

test("ids without a token give no text, and what is no id is refused", async () => {
  const tokenizer = await load();
  expect(tokenizer.decode([256, 100_000, 257])).toBe("hi hi");
  expect(() => tokenizer.decode([-1])).toThrow(RangeError);
  expect(() => tokenizer.decode([0.5])).toThrow(RangeError);
});

test("half a character decodes to the replacement character", async () => {
  const tokenizer = await load();
  const [first, second] = tokenizer.encode("é");
  expect(tokenizer.decode([first as number])).toBe("\uFFFD");
  expect(tokenizer.decode([first as number, second as number])).toBe("é");
});

test("one BOS is added on request, and only where the model expects one", async () => {
  const withBos = await load();
  expect(withBos.bosId).toBe(258);
  expect([...withBos.encode("hi", { addBos: true })]).toEqual([258, 256]);
  expect([...withBos.encode("<bos>hi", { addBos: true, parseSpecial: true })]).toEqual([258, 256]);
  expect([...withBos.encode("hi")]).toEqual([256]);

  const without = await load({ "tokenizer_config.json": { ...config, add_bos_token: false } });
  expect([without.addsBos, without.bosId]).toEqual([false, 258]);
  expect([...without.encode("hi", { addBos: true })]).toEqual([256]);
});

test("the post-processor says that a BOS is expected when the config does not", async () => {
  const files = { "tokenizer_config.json": { bos_token: "<bos>" } };
  expect((await load({ ...files, "tokenizer.json": tinyTokenizerJson({ opensWithBos: true }) })).addsBos).toBe(true);
  expect((await load(files)).addsBos).toBe(false);
});

test("the stop set joins the tokenizer, the generation config and the chat template", async () => {
  const tokenizer = await load({
    "generation_config.json": { eos_token_id: [259, 263] },
    "chat_template.jinja": "<start_of_turn>{{ messages[0].content }}<end_of_turn>",
  });
  expect(tokenizer.eosIds).toEqual([259, 263]);
  expect(tokenizer.stopIds).toEqual([259, 263, 261]);
});

test("an end-of-turn token that the template does not write is no stop token", async () => {
  const tokenizer = await load({ "chat_template.jinja": "{{ messages[0].content }}" });
  expect(tokenizer.stopIds).toEqual([259]);
});

test("end tokens are read from config.json when the tokenizer names none, also inside text_config", async () => {
  const tokenizer = await load({
    "tokenizer_config.json": {},
    "config.json": { text_config: { eos_token_id: 259, bos_token_id: 258 } },
  });
  expect([tokenizer.eosIds, tokenizer.bosId]).toEqual([[259], 258]);
});

test("special tokens that swallow white space do so in trusted text", async () => {
  const tokenizer = await load({ "tokenizer.json": tinyTokenizerJson({ rstrip: true }) });
  expect([...tokenizer.encode("<end_of_turn>\n\nhi", { parseSpecial: true })]).toEqual([261, 256]);
});

test("a pre-tokenizer for digits cuts at every numeric character", async () => {
  const json = tinyTokenizerJson();
  const pretokenizers = [{ type: "Digits", individual_digits: true }, json.pre_tokenizer];
  json.model.vocab["12"] = 264;
  json.model.vocab["ĠÂ½"] = 265;
  json.model.vocab["Â½"] = 266;
  json.model.merges.push(["1", "2"], ["Â", "½"], ["Ġ", "Â½"]);
  const whole = await load({ "tokenizer.json": json });
  expect([...whole.encode("12 ½")]).toEqual([264, 265]);
  const cut = await load({ "tokenizer.json": { ...json, pre_tokenizer: { type: "Sequence", pretokenizers } } });
  expect([...cut.encode("12 ½")]).toEqual([byteId("1"), byteId("2"), byteId(" "), 266]);
});

test("ids, tokens and the vocabulary's size agree", async () => {
  const tokenizer = await load();
  expect(tokenizer.vocabSize).toBe(264);
  expect([tokenizer.idOf("hi"), tokenizer.idOf("<eos>"), tokenizer.idOf("absent")]).toEqual([256, 259, undefined]);
  expect([tokenizer.tokenOf(256), tokenizer.tokenOf(259), tokenizer.tokenOf(999)]).toEqual(["hi", "<eos>", undefined]);
});

test("a special token that merges would reach from plain text stays apart", async () => {
  const json = tinyTokenizerJson();
  json.model.vocab["<e"] = 264;
  json.model.vocab["<eos>"] = 259;
  json.model.vocab["os>"] = 265;
  json.model.vocab.os = 266;
  json.model.merges.push(["<", "e"], ["o", "s"], ["os", ">"], ["<e", "os>"]);
  json.pre_tokenizer = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const tokenizer = await load({ "tokenizer.json": json });
  const plain = [...tokenizer.encode("a<eos>")];
  expect(plain).not.toContain(259);
  expect(tokenizer.decode(plain)).toBe("a<eos>");
  expect([...tokenizer.encode("a<eos>", { parseSpecial: true })]).toEqual([byteId("a"), 259]);
});

test("damaged folders are refused with the file's name", async () => {
  const refusal = (files: Record<string, unknown>) =>
    load(files).then(
      () => "accepted",
      (error) => `${error.code} ${error.message}`,
    );
  const broken = (change: (json: ReturnType<typeof tinyTokenizerJson>) => void) => {
    const json = tinyTokenizerJson();
    change(json);
    return { "tokenizer.json": json };
  };
  expect(await refusal({ "tokenizer.json": "{" })).toMatch(/^RLVR_BAD_CHECKPOINT .*tokenizer\.json: it is not JSON/);
  expect(await refusal({ "tokenizer_config.json": "[]" })).toMatch(/^RLVR_BAD_CHECKPOINT .*an object was expected/);
  expect(await refusal(broken((json) => (json.model.vocab.hi = -1)))).toContain(`token "hi" has id -1`);
  expect(await refusal(broken((json) => (json.model.vocab.hi = 1e12)))).toContain(`token "hi" has id 1000000000000`);
  expect(await refusal(broken((json) => (json.model.type = "Unigram")))).toContain(`model type "Unigram"`);
  expect(await refusal(broken((json) => (json.model.merges = ["h"])))).toContain(`merge "h" is not a pair`);
  expect(await refusal(broken((json) => (json.pre_tokenizer = { type: "Nonsense" })))).toContain("Nonsense");
});

test("a folder without tokenizer.json and a missing path say what was looked for", async () => {
  await expect(loadTokenizer(writeFolder({}))).rejects.toMatchObject({
    code: "RLVR_BAD_CHECKPOINT",
    message: expect.stringContaining("there is no tokenizer.json"),
  });
  await expect(loadTokenizer("/nowhere/at/all")).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
});
