"""How far BF16 torch is from the float64 goldens: what a BF16 engine may be off by.

usage: python make_bf16.py          reads models/, data/<name>.json, data/<name>.safetensors and data/curves.json, writes
                                    data/bf16.json

Base weights, LoRA matrices, activations and logits are BF16 as `model.to(bfloat16)` has them; log-softmax and losses are
float32. The training curves keep float32 masters of the LoRA matrices, which are rounded for each forward.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import get_cosine_schedule_with_warmup

from losses import grpo_loss
from make_curves import ADAMW, BETA, MAX_GRAD_NORM, STEPS, TEMPERATURE, WARMUP_STEPS, PEAK_LEARNING_RATE
from make_goldens import NAMES, all_logits, completion_logprobs, cross_entropy, gradients, load, versions

HERE = Path(__file__).parent
CURVE_STEPS = 10


def flat(rows):
    return [x for group in rows for x in group]


def errors(name):
    golden = json.loads((HERE / "data" / f"{name}.json").read_text())
    tensors = load_file(HERE / "data" / f"{name}.safetensors")
    model = load(name, torch.bfloat16)
    groups = golden["groups"]
    logits = [rows.float() for rows in all_logits(model, groups)]
    lps, _ = completion_logprobs(logits, groups, TEMPERATURE)
    gaps = torch.cat([lp.detach() - torch.tensor(e) for lp, e in zip(lps, flat(golden["logprobs"]))])
    old = [torch.tensor(x) for x in flat(golden["old_logprobs"])]
    ref = [torch.tensor(x) for x in flat(golden["ref_logprobs"])]
    wanted = {"cross_entropy": cross_entropy(logits, groups),
              "grpo_beta_0.04": grpo_loss(lps, old, ref, flat(golden["advantages"]), flat(golden["weights"]["grpo"]), 0.04)}
    result = {"logprob_max": float(gaps.abs().max()), "logprob_rms": float(gaps.pow(2).mean().sqrt())}
    for key, loss in wanted.items():
        result[f"loss.{key}"] = abs(float(loss.detach()) - golden["losses"][key])
        own = gradients(loss, model)
        ours = torch.cat([g.float().flatten() for g in own.values()])
        theirs = torch.cat([tensors[f"grad.{key}.{n}"].flatten() for n in own])
        result[f"gradient.{key}"] = float((ours - theirs).norm() / theirs.norm())
    return result


def curve_gap(name, batches, numbers, expected):
    """The largest distance of the first steps' losses from the float64 curve."""
    model = load(name, torch.bfloat16)
    parameters = [p for p in model.parameters() if p.requires_grad]
    masters = [torch.nn.Parameter(p.detach().float()) for p in load(name, torch.float32).parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(masters, lr=PEAK_LEARNING_RATE, **ADAMW)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP_STEPS, STEPS)
    gap = 0.0
    for step in range(CURVE_STEPS):
        with torch.no_grad():
            for p, master in zip(parameters, masters):
                p.copy_(master)
        groups = batches[step % len(batches)]
        logits = [rows.float() for rows in all_logits(model, groups)]
        if numbers is None:
            loss = cross_entropy(logits, groups)
        else:
            given = numbers[step % len(batches)]
            rows = lambda key: [torch.tensor(x) for x in flat(given[key])]
            lps = completion_logprobs(logits, groups, TEMPERATURE)[0]
            loss = grpo_loss(lps, rows("old_logprobs"), rows("ref_logprobs"), flat(given["advantages"]),
                             [1 / (len(lps) * len(lp)) for lp in lps], BETA)
        gap = max(gap, abs(float(loss.detach()) - expected[step]))
        for master, gradient in zip(masters, torch.autograd.grad(loss, parameters)):
            master.grad = gradient.float()
        torch.nn.utils.clip_grad_norm_(masters, MAX_GRAD_NORM)
        optimizer.step()
        schedule.step()
    return gap


def main():
    torch.set_num_threads(1)
    curves = json.loads((HERE / "data" / "curves.json").read_text())["models"]
    models = {name: errors(name) for name in NAMES}
    for name, curve in curves.items():
        for kind in ("supervised", "grpo"):
            models[name][f"curve.{kind}"] = curve_gap(name, curve["batches"], curve[kind].get("batches"),
                                                      curve[kind]["loss_float64"])
    record = {"versions": versions(), "curve_steps": CURVE_STEPS, "models": models}
    (HERE / "data" / "bf16.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(models, indent=1))


if __name__ == "__main__":
    main()
