"""Greedy completions of SmolLM2-135M-Instruct by transformers in float32, on the dequantised weights of the GGUF file.

usage: python make_greedy.py SMOLLM2_FOLDER     a folder made by bench/compare/hf_dump.py from the file that
                                                scripts/fetch-models.mjs fetches; writes data/smollm2-greedy.json

Each token's margin (best logit less the second) is kept: where it is small, an engine that sums in another order may
choose otherwise, so the script refuses prompts with a margin below 1e-3.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from make_goldens import versions

HERE = Path(__file__).parent
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NEW_TOKENS = 64
PROMPTS = [
    [{"role": "user", "content": "What are the most common symptoms of anemia?"}],
    [{"role": "user", "content": "Explain in simple words why the sky is blue."}],
    [{"role": "system", "content": "You are a careful physician. Answer in full sentences."},
     {"role": "user", "content": "A 45-year-old man has a hemoglobin of 8.2 g/dL and an MCV of 72 fL. "
                                 "What is the most likely cause?"}],
    [{"role": "user", "content": "Write a short story about a robot that learns to paint."}],
    [{"role": "user", "content": "List three primary colors."},
     {"role": "assistant", "content": "Red, yellow and blue."},
     {"role": "user", "content": "Now explain how to mix them to get green, orange and purple."}],
]


def complete(model, ids, stop):
    """Greedy tokens with their logprobs and margins; a stop token ends it and is kept."""
    cache, step = None, torch.tensor([ids])
    tokens, logprobs, margins = [], [], []
    while len(tokens) < NEW_TOKENS and stop not in tokens[-1:]:
        with torch.no_grad():
            out = model(input_ids=step, past_key_values=cache, use_cache=True)
        cache, row = out.past_key_values, out.logits[0, -1]
        best = torch.topk(row, 2)
        tokens.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
        logprobs.append(float(torch.log_softmax(row.double(), -1)[tokens[-1]]))
        step = best.indices[:1][None]
    return tokens, logprobs, margins


def main(folder):
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    cases = []
    for messages in PROMPTS:
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        tokens, logprobs, margins = complete(model, ids, tokenizer.eos_token_id)
        print(min(margins), len(tokens), repr(tokenizer.decode(tokens)))
        assert min(margins) > 1e-3, "a near tie: choose another prompt"
        generated = model.generate(torch.tensor([ids]), max_new_tokens=NEW_TOKENS, do_sample=False)[0].tolist()
        assert generated == ids + tokens, "generate() disagrees"
        cases.append({"messages": messages, "prompt": prompt, "prompt_ids": ids, "completion_ids": tokens,
                      "completion": tokenizer.decode(tokens), "logprobs": [round(x, 6) for x in logprobs],
                      "smallest_margin": min(margins),
                      "finish": "stop" if tokens[-1] == tokenizer.eos_token_id else "length"})
    record = {"model": "SmolLM2-135M-Instruct Q4_1", "gguf_sha256": GGUF_SHA256, "dtype": "float32",
              "versions": versions(), "max_new_tokens": NEW_TOKENS,
              "stop_ids": [tokenizer.eos_token_id], "cases": cases}
    (HERE / "data" / "smollm2-greedy.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
