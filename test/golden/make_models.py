"""Tiny random models of every architecture as Hugging Face folders, each with a random PEFT adapter beside it.

usage: python make_models.py        writes models/<name>/ and models/<name>/adapter/

Norm weights and biases are randomised as well (at their initial values 1 + w, w * 1 and b = 0 would go untested), and
LoRA B is not zero (else the gradient of A is zero).
"""
import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SEED = 20250401
MODELS = Path(__file__).parent / "models"
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
}


def architectures():
    common = {"max_position_embeddings": 256, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    yield "gemma3", Gemma3ForCausalLM, Gemma3TextConfig(
        vocab_size=112, hidden_size=32, intermediate_size=40, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, sliding_window=8, query_pre_attn_scalar=24, rope_parameters=GEMMA3_ROPE,
        **common)  # 5 sliding layers and 1 full; heads * head_dim is not hidden_size
    yield "phi3", Phi3ForCausalLM, Phi3Config(
        vocab_size=104, hidden_size=48, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False, rms_norm_eps=1e-5, original_max_position_embeddings=256,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5}, **common)
    yield "llama", LlamaForCausalLM, LlamaConfig(
        vocab_size=96, hidden_size=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0}, **common)
    yield "qwen2", Qwen2ForCausalLM, Qwen2Config(
        vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0}, **common)
    yield "qwen3", Qwen3ForCausalLM, Qwen3Config(
        vocab_size=100, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=1, head_dim=16, tie_word_embeddings=False, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0}, **common)


def randomise(model, generator):
    """Linear weights ~ N(0, 1/in); embeddings, norms and biases so that each of them matters in the logits."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_(parameter + 0.3 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                # logits of about +-1.5: the float32 error stays well below the 5e-6 asked for
                parameter.copy_((0.05 if "lm_head" in name else 0.07) * noise)
            else:
                parameter.copy_(noise * parameter.shape[1] ** -0.5)


def save_adapter(folder, name, generator):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for parameter_name, parameter in adapted.named_parameters():
            if "lora_A" in parameter_name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter.shape[1] ** -0.5)
            elif "lora_B" in parameter_name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    adapted.peft_config["default"].base_model_name_or_path = f"tiny-{name}"
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    config_file = folder / "adapter" / "adapter_config.json"
    written = json.loads(config_file.read_text())
    written["target_modules"] = sorted(written["target_modules"])  # a set in peft: its order is not reproducible
    config_file.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")


def save_multimodal_variant():
    """The text model of gemma3 as hub files store it: nested text_config, old key names, `language_model.` prefix."""
    folder = MODELS / "gemma3-multimodal"
    folder.mkdir()
    text = json.loads((MODELS / "gemma3" / "config.json").read_text())
    for new_key in ("rope_parameters", "layer_types", "dtype", "architectures", "transformers_version"):
        text.pop(new_key, None)
    text.update(
        rope_theta=1_000_000.0, rope_local_base_freq=10_000.0, rope_scaling={"rope_type": "linear", "factor": 8.0},
        sliding_window_pattern=6, torch_dtype="float32", model_type="gemma3_text")
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "torch_dtype": "float32",
        "boi_token_index": 108, "eoi_token_index": 109, "image_token_index": 110, "mm_tokens_per_image": 4,
        "eos_token_id": [1, 106], "text_config": text,
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 8, "intermediate_size": 8,
                          "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 8, "patch_size": 4}}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    text_tensors = load_file(MODELS / "gemma3" / "model.safetensors")
    tensors = {f"language_model.{key}": value for key, value in text_tensors.items()}
    # Two of the tensors of the picture half, which a text loader skips.
    tensors["multi_modal_projector.mm_soft_emb_norm.weight"] = torch.zeros(8)
    tensors["vision_tower.vision_model.post_layernorm.weight"] = torch.ones(8)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = Gemma3ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    text_model = AutoModelForCausalLM.from_pretrained(MODELS / "gemma3", dtype=torch.float32,
                                                      attn_implementation="eager")
    ids = torch.arange(2, 26)[None]
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, text_model(input_ids=ids).logits), "not the same model"


def save_sharded_variant():
    model = AutoModelForCausalLM.from_pretrained(MODELS / "llama", dtype=torch.float32)
    model.save_pretrained(MODELS / "llama-sharded", max_shard_size="100KB")
    assert len(list((MODELS / "llama-sharded").glob("*.safetensors"))) >= 2


def main():
    torch.set_num_threads(1)
    shutil.rmtree(MODELS, ignore_errors=True)
    MODELS.mkdir()
    for index, (name, model_class, config) in enumerate(architectures()):
        generator = torch.Generator().manual_seed(SEED + index)
        model = model_class(config)
        randomise(model, generator)
        model.save_pretrained(MODELS / name)
        save_adapter(MODELS / name, name, generator)
    save_multimodal_variant()
    save_sharded_variant()
    for extra in MODELS.glob("*/generation_config.json"):
        extra.unlink()


if __name__ == "__main__":
    main()
