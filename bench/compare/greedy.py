"""Greedy completions by transformers in float32, of prompts given as token ids.

usage: python greedy.py MODEL_FOLDER PROMPTS.json [--new 32] [--threads 2]

PROMPTS.json: {"prompts": [[ids]]}, as bench/greedy.mjs prints it. Prints {"completions": [[ids]], "margins": [...]}: a
margin is the smallest difference between the best logit and the second in that completion. Where it is near 0 another
order of additions may choose another token.
"""
import argparse
import json
from pathlib import Path

import peer  # noqa: F401  offline before transformers loads
import torch
from transformers import AutoModelForCausalLM


def complete(model, ids, count):
    cache, step, tokens, margins = None, torch.tensor([ids]), [], []
    while len(tokens) < count:
        with torch.no_grad():
            out = model(input_ids=step, past_key_values=cache, use_cache=True)
        cache, best = out.past_key_values, torch.topk(out.logits[0, -1], 2)
        tokens.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
        step = best.indices[:1][None]
    return tokens, min(margins)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("prompts")
    parser.add_argument("--new", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()
    runs = [complete(model, ids, options.new) for ids in json.loads(Path(options.prompts).read_text())["prompts"]]
    print(json.dumps({"completions": [tokens for tokens, _ in runs], "margins": [margin for _, margin in runs]}))


if __name__ == "__main__":
    main()
