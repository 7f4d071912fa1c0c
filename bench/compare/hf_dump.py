"""Turns a GGUF file into a Hugging Face folder of float32 safetensors, for peers that read no GGUF.

usage: python hf_dump.py MODEL.gguf OUT_FOLDER

The weights are the dequantised ones, so a peer computes with the same numbers as an engine that unpacks the file.
"""
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from gguf import GGUFReader
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer


def restore_pre_tokenizer(tokenizer, gguf):
    """transformers forgets the file's pre-tokenizer and splits by GPT-2's rule; SmolLM2 also takes digits apart."""
    field = GGUFReader(gguf).get_field("tokenizer.ggml.pre")
    if field is not None and field.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])


def plain_copy(model):
    """The same weights in a model that was never marked as quantised: save_pretrained refuses a marked one."""
    config = type(model.config).from_dict(
        {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"})
    config.rms_norm_eps = float(f"{config.rms_norm_eps:.4g}")  # 1e-5 went through float32 in the file
    copy = type(model)(config).to(torch.float32).eval()
    copy.load_state_dict(model.state_dict(), strict=False)
    copy.tie_weights()
    copy.generation_config = model.generation_config
    return copy


def main(gguf, out):
    folder, file = os.path.split(os.path.abspath(gguf))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    restore_pre_tokenizer(tokenizer, gguf)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    copy = plain_copy(model)
    ids = torch.tensor([tokenizer("The capital of France is").input_ids])
    with torch.no_grad():
        gap = (copy(input_ids=ids).logits - model(input_ids=ids).logits).abs().max().item()
    if not gap < 1e-4:
        raise SystemExit(f"hf_dump: the rebuilt model's logits differ by {gap}; expected less than 1e-4")
    copy.save_pretrained(out)
    tokenizer.save_pretrained(out)
    print(json.dumps({"folder": str(Path(out)), "class": type(copy).__name__, "logit_gap": gap,
                      "parameters": sum(p.numel() for p in copy.parameters())}))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2])
