// The embedded default model before pretraining: its shape (config.json) and its random initial weights.
import { Draws } from "./philox.ts";
import type { NamedTensor } from "./safetensors-writer.ts";

/** Gemma-3 in small. The window is shorter than a prompt, so the sliding layers do slide. */
export const modelShape = {
  dim: 128,
  layers: 4,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  ffn: 384,
  window: 32,
  context: 512,
} as const;

const layerTypes = Array.from({ length: modelShape.layers }, (_, layer) =>
  layer % 2 === 0 ? "sliding_attention" : "full_attention",
);

export function modelConfig(vocabSize: number, tokenId: (token: string) => number): Record<string, unknown> {
  return {
    architectures: ["Gemma3ForCausalLM"],
    model_type: "gemma3_text",
    vocab_size: vocabSize,
    hidden_size: modelShape.dim,
    intermediate_size: modelShape.ffn,
    num_hidden_layers: modelShape.layers,
    num_attention_heads: modelShape.heads,
    num_key_value_heads: modelShape.kvHeads,
    head_dim: modelShape.headDim,
    query_pre_attn_scalar: modelShape.headDim,
    hidden_activation: "gelu_pytorch_tanh",
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    rope_local_base_freq: 10_000,
    rope_scaling: null,
    sliding_window: modelShape.window,
    layer_types: layerTypes,
    max_position_embeddings: modelShape.context,
    attention_bias: false,
    attention_dropout: 0,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    tie_word_embeddings: true,
    use_cache: true,
    pad_token_id: tokenId("<pad>"),
    bos_token_id: tokenId("<bos>"),
    eos_token_id: [tokenId("<eos>"), tokenId("<end_of_turn>")],
  };
}

export function generationConfig(tokenId: (token: string) => number): Record<string, unknown> {
  return {
    bos_token_id: tokenId("<bos>"),
    eos_token_id: [tokenId("<eos>"), tokenId("<end_of_turn>")],
    pad_token_id: tokenId("<pad>"),
    do_sample: true,
    temperature: 1,
    top_k: 0,
    top_p: 1,
  };
}

/**
 * Normal weights with deviation 1 / sqrt(inputs); the embedding, 1 / sqrt(dim), is scaled up again by Gemma's sqrt(dim).
 * Gemma's norms store weight - 1. The norms that close a residual branch start at -0.75, so that each branch adds a
 * quarter of its size at first.
 */
export function initialWeights(vocabSize: number, seed: number): NamedTensor[] {
  const { dim, heads, kvHeads, headDim, ffn, layers } = modelShape;
  const tensors: NamedTensor[] = [];
  const add = (name: string, shape: number[], fill: (draws: Draws) => number) => {
    const draws = new Draws(seed, weightStream, tensors.length);
    const values = new Float32Array(shape.reduce((size, length) => size * length, 1));
    for (let i = 0; i < values.length; i++) values[i] = fill(draws);
    tensors.push({ name, shape, values });
  };
  const linear = (name: string, outputs: number, inputs: number) =>
    add(name, [outputs, inputs], (draws) => draws.normal() / Math.sqrt(inputs));
  const norm = (name: string, size: number, value: number) => add(name, [size], () => value);

  linear("model.embed_tokens.weight", vocabSize, dim);
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    norm(`${prefix}.input_layernorm.weight`, dim, 0);
    linear(`${prefix}.self_attn.q_proj.weight`, heads * headDim, dim);
    linear(`${prefix}.self_attn.k_proj.weight`, kvHeads * headDim, dim);
    linear(`${prefix}.self_attn.v_proj.weight`, kvHeads * headDim, dim);
    linear(`${prefix}.self_attn.o_proj.weight`, dim, heads * headDim);
    norm(`${prefix}.self_attn.q_norm.weight`, headDim, 0);
    norm(`${prefix}.self_attn.k_norm.weight`, headDim, 0);
    norm(`${prefix}.post_attention_layernorm.weight`, dim, branchStart);
    norm(`${prefix}.pre_feedforward_layernorm.weight`, dim, 0);
    linear(`${prefix}.mlp.gate_proj.weight`, ffn, dim);
    linear(`${prefix}.mlp.up_proj.weight`, ffn, dim);
    linear(`${prefix}.mlp.down_proj.weight`, dim, ffn);
    norm(`${prefix}.post_feedforward_layernorm.weight`, dim, branchStart);
  }
  norm("model.norm.weight", dim, 0);
  return tensors;
}

const weightStream = 32;
const branchStart = -0.75;
