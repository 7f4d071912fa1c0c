import { describe, expect, it } from "vitest";
import { initialWeights, modelConfig, modelShape } from "../../../src/embedded/initial-model.ts";
import { encodeSafetensors, type NamedTensor } from "../../../src/embedded/safetensors-writer.ts";

const vocabSize = 511;

describe("the initial model", () => {
  const weights = initialWeights(vocabSize, 1);
  const named = (name: string) => weights.find((tensor) => tensor.name === name) as NamedTensor;

  it("has 0.85 million parameters", () => {
    const { dim, layers, heads, kvHeads, headDim, ffn } = modelShape;
    const linear = 2 * dim * heads * headDim + 2 * dim * kvHeads * headDim + 3 * dim * ffn;
    const norms = 4 * dim + 2 * headDim;
    const parameters = weights.reduce((sum, { values }) => sum + values.length, 0);
    expect(parameters).toBe(vocabSize * dim + layers * (linear + norms) + dim);
    expect(parameters).toBe(854_272);
  });

  it("is the same for the same seed, and no two matrices start alike", () => {
    expect(initialWeights(vocabSize, 1)[0]).toEqual(weights[0]);
    expect(initialWeights(vocabSize, 2)[0]).not.toEqual(weights[0]);
    expect(named("model.layers.0.self_attn.k_proj.weight").values).not.toEqual(
      named("model.layers.0.self_attn.v_proj.weight").values,
    );
  });

  it("spreads a matrix by 1 / sqrt(inputs), and lets residual branches start at a quarter", () => {
    const { values } = named("model.layers.3.mlp.down_proj.weight");
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation * Math.sqrt(modelShape.ffn)).toBeCloseTo(1, 1);
    expect(named("model.layers.0.post_attention_layernorm.weight").values).toEqual(new Float32Array(128).fill(-0.75));
    expect(named("model.layers.0.input_layernorm.weight").values).toEqual(new Float32Array(128));
  });

  it("slides in every second layer, over fewer keys than a prompt has", () => {
    const config = modelConfig(vocabSize, () => 0);
    expect(config.layer_types).toEqual(["sliding_attention", "full_attention", "sliding_attention", "full_attention"]);
    expect(config.sliding_window).toBe(32);
  });
});

describe("a safetensors file", () => {
  it("is a length, a JSON header, and the values in order", () => {
    const bytes = Buffer.from(
      encodeSafetensors([
        { name: "a", shape: [2], values: Float32Array.of(1, -2) },
        { name: "b", shape: [1, 1], values: Float32Array.of(0.5) },
      ]),
    );
    const headerLength = Number(bytes.readBigUInt64LE(0));
    expect(headerLength % 8).toBe(0);
    expect(JSON.parse(bytes.subarray(8, 8 + headerLength).toString())).toEqual({
      __metadata__: { format: "pt" },
      a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
      b: { dtype: "F32", shape: [1, 1], data_offsets: [8, 12] },
    });
    const values = bytes.subarray(8 + headerLength);
    expect([0, 4, 8].map((offset) => values.readFloatLE(offset))).toEqual([1, -2, 0.5]);
    expect(values).toHaveLength(12);
  });
});
