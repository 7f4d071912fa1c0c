// A Llama checkpoint of any vocabulary with made-up BF16 weights, for timing alone.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";

const BLOCK = 1 << 20; // weights repeat after so many: their values do not change what a step costs

/** BF16 bit patterns of small numbers of both signs, from a fixed generator. */
function weightBlock() {
  const values = new Float32Array(BLOCK);
  let state = 1;
  for (let i = 0; i < BLOCK; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = 0.04 * (state / 2 ** 32 - 0.5);
  }
  return Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
}

/** Writes config.json and model.safetensors into `folder`. */
export function writeSyntheticLlama(folder, { vocabulary, dim, layers, heads, kvHeads, ffn }) {
  const head = dim / heads;
  const shapes = { "model.embed_tokens.weight": [vocabulary, dim], "model.norm.weight": [dim] };
  for (let layer = 0; layer < layers; layer++) {
    Object.assign(shapes, {
      [`model.layers.${layer}.input_layernorm.weight`]: [dim],
      [`model.layers.${layer}.self_attn.q_proj.weight`]: [dim, dim],
      [`model.layers.${layer}.self_attn.k_proj.weight`]: [kvHeads * head, dim],
      [`model.layers.${layer}.self_attn.v_proj.weight`]: [kvHeads * head, dim],
      [`model.layers.${layer}.self_attn.o_proj.weight`]: [dim, dim],
      [`model.layers.${layer}.post_attention_layernorm.weight`]: [dim],
      [`model.layers.${layer}.mlp.gate_proj.weight`]: [ffn, dim],
      [`model.layers.${layer}.mlp.up_proj.weight`]: [ffn, dim],
      [`model.layers.${layer}.mlp.down_proj.weight`]: [dim, ffn],
    });
  }
  const header = {};
  let offset = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const bytes = 2 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  mkdirSync(folder, { recursive: true });
  const file = openSync(path.join(folder, "model.safetensors"), "w");
  writeSync(file, length);
  writeSync(file, text);
  const block = Buffer.from(weightBlock().buffer);
  for (let left = offset; left > 0; left -= block.length) writeSync(file, block, 0, Math.min(left, block.length));
  closeSync(file);
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocabulary,
    hidden_size: dim,
    intermediate_size: ffn,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: head,
    hidden_act: "silu",
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  };
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
}
