import { describe, expect, test } from "vitest";
import { benchmarks } from "../../../src/data/benchmark-row.ts";
import { loadProtocol, parseProtocol, partOf, protocolNames } from "../../../src/evaluation/protocol.ts";

const minimal = `
title: mine
benchmarks:
  medqa: { source: me, mode: letter-logits, query: "{question}", choice: "{letter}", categories: subjects, aggregate: micro }
`;

describe("the package's protocols", () => {
  test.each(["official", "lm-eval", "paper", "zero-shot-chat"])("%s says how each benchmark is asked", async (name) => {
    const protocol = await loadProtocol(name);
    expect(Object.keys(protocol.benchmarks).sort()).toEqual([...benchmarks].sort());
    expect(protocol.hash).toMatch(/^[0-9a-f]{64}$/);
    if (name === "paper") expect(protocol.assumption).toMatch(/does not say how it evaluated/);
    if (name === "lm-eval") expect(protocol.assumption).toBe("");
  });

  test("their hashes differ", async () => {
    const protocols = await Promise.all((await protocolNames()).map((name) => loadProtocol(name)));
    expect(protocols.length).toBeGreaterThanOrEqual(5);
    expect(new Set(protocols.map(({ hash }) => hash)).size).toBe(protocols.length);
  });
});

describe("a protocol's hash", () => {
  const hashOf = (text: string, options = {}) => parseProtocol(text, "mine", options).hash;

  test("is the same for the same prompts and scores, however they are written", () => {
    expect(hashOf(minimal.replace("title: mine", "title: another"))).toBe(hashOf(minimal));
    expect(hashOf(minimal.replace("source: me", "source: you"))).toBe(hashOf(minimal));
    expect(hashOf(minimal.replace("mode:", "trim: false, mode:"))).toBe(hashOf(minimal));
  });

  test("changes with a text, a default that is set, and a run's options", async () => {
    expect(hashOf(minimal.replace("{question}", "{question}?"))).not.toBe(hashOf(minimal));
    expect(hashOf(minimal.replace("mode:", "trim: true, mode:"))).not.toBe(hashOf(minimal));
    const hash = async (options = {}) => (await loadProtocol("lm-eval", options)).hash;
    expect(await hash({ shots: 5 })).not.toBe(await hash());
    expect(await hash({ maxNewTokens: 9 })).not.toBe(await hash());
  });
});

describe("a protocol of one's own", () => {
  const refused = (text: string) => expect(() => parseProtocol(text, "mine"));

  test("is refused with what is wrong", () => {
    refused("title: [").toThrow(/\[protocol\] mine: /);
    refused("title: x\nbenchmarks: {}").toThrow(/at least one benchmark/);
    refused(minimal.replace("letter-logits", "guess")).toThrow(/mode/);
    refused(minimal.replace("{question}", "{question} {hint}")).toThrow(/has \{hint\}; expected only \{subject\}/);
    refused(minimal.replace("{letter}", "A")).toThrow(/needs a text with \{letter\}/);
    refused(minimal.replace("letter-logits", "generate")).toThrow(/needs at least 1[\s\S]*needs at least one/);
    refused(minimal.replace("categories: subjects", "categories: none")).toThrow(/categories is "none"; expected/);
    refused(minimal.replace("source: me", "source: me, colour: red")).toThrow(/colour/);
  });

  test("has only the benchmarks that it names", () => {
    expect(() => partOf(parseProtocol(minimal, "mine"), "mmlu")).toThrow(
      /mine does not say how mmlu is asked; it has medqa/,
    );
  });

  test("an unknown name is refused with the known ones", async () => {
    await expect(loadProtocol("lmeval")).rejects.toThrow(/no protocol "lmeval"; expected one of lm-eval/);
    await expect(loadProtocol("none.yaml")).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
  });
});

test("what a run changes of a protocol stands with its assumptions, and nothing where nothing changes", async () => {
  const cut = await loadProtocol("paper", { maxNewTokens: 128 });
  expect(cut.assumption).toMatch(
    /does not say how it evaluated.* Changed for this run: answers of at most 128 tokens, not 2048\.$/,
  );
  expect((await loadProtocol("lm-eval", { shots: 2 })).assumption).toMatch(
    /^Changed for this run: 2 examples before a question, not 0/,
  );
  expect((await loadProtocol("paper", { maxNewTokens: 2048 })).assumption).toBe(
    (await loadProtocol("paper")).assumption,
  );
  expect((await loadProtocol("paper")).assumption).not.toContain("Changed");
});
