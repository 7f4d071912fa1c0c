"""Forward and backward of a PEFT LoRA adapter in torch, cross-entropy on every token but the first, and its gradient's norm.

usage: python lora_step.py MODEL_FOLDER ADAPTER_FOLDER [--repeats 3] [--threads 2]

MODEL_FOLDER is a Hugging Face folder (hf_dump.py makes one from a GGUF file). ADAPTER_FOLDER is what
bench/lora-step.mjs --save left: a PEFT adapter and ids.json. Prints one JSON object.
Library versions: test/golden/requirements.txt.
"""
import argparse
import contextlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from peer import Meter, forget_peak_rss, peak_rss_bytes


def measure(options):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(options.threads)
    base = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, options.adapter, is_trainable=True).train()
    ids = torch.tensor(json.loads((Path(options.adapter) / "ids.json").read_text()))
    forget_peak_rss()

    def step():
        model.zero_grad(set_to_none=True)
        start = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        return time.perf_counter() - start, loss.item()

    step()
    with Meter() as meter:
        runs = [step() for _ in range(options.repeats)]
    squares = [p.grad.double().square().sum() for p in model.parameters() if p.requires_grad]
    return {
        "peer": "torch+peft", "dtype": "float32", "threads": options.threads, "shape": list(ids.shape),
        "seconds": [seconds for seconds, _ in runs], "loss": runs[-1][1],
        "grad_norm": torch.stack(squares).sum().sqrt().item(), "trained_tensors": len(squares),
        "peak_rss_bytes": peak_rss_bytes(), "foreign_cpu": meter.foreign_cpu,
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("adapter")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    with contextlib.redirect_stdout(sys.stderr):
        result = measure(parser.parse_args())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
