"""Values of AdamW and of the cosine schedule, and 20-step loss curves of LoRA training, from torch and transformers.

usage: python make_curves.py        reads models/, writes data/optimizer.json and data/curves.json
"""
import json
from pathlib import Path

import torch
from transformers import get_cosine_schedule_with_warmup

from float64 import true_float64
from losses import EPSILON, grpo_loss
from make_goldens import all_logits, completion_logprobs, cross_entropy, load, versions

HERE = Path(__file__).parent
SEED = 20250403
STEPS = 20
PEAK_LEARNING_RATE = 5e-3
WARMUP_STEPS = 2
MAX_GRAD_NORM = 1.0
ADAMW = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
TEMPERATURE = 0.9
BETA = 0.04
NOTED_STEPS = (1, 2, 3, 10, 31, 62, 124, 125)


def optimizer_values(warmup_steps, weight_decay, generator):
    """125 steps on 4 values in float64: learning rates of every step, parameters and moments at some."""
    start = torch.tensor([0.5, -0.25, 0.001, -2.0], dtype=torch.float64)
    scale = torch.tensor([1.0, 1e-3, 1e-6, 30.0], dtype=torch.float64)
    noise = lambda: torch.randn(4, generator=generator, dtype=torch.float64)
    gradients = [(noise() * scale).float().double() for _ in range(125)]
    parameter = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.AdamW([parameter], lr=2e-5, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
    schedule = get_cosine_schedule_with_warmup(optimizer, warmup_steps, 125)
    rates, noted = [], []
    for step, gradient in enumerate(gradients, 1):
        rates.append(schedule.get_last_lr()[0])
        parameter.grad = gradient.clone()
        optimizer.step()
        schedule.step()
        if step in NOTED_STEPS:
            state = optimizer.state[parameter]
            noted.append({"step": step, "parameter": parameter.tolist(), "m": state["exp_avg"].tolist(),
                          "v": state["exp_avg_sq"].tolist()})
    return {"peak_learning_rate": 2e-5, "total_steps": 125, "warmup_steps": warmup_steps, "betas": [0.9, 0.999],
            "eps": 1e-8, "weight_decay": weight_decay, "learning_rates": rates, "end_rate": schedule.get_last_lr()[0],
            "start": start.tolist(), "gradients": [g.tolist() for g in gradients], "noted": noted}


def draw_batches(vocab, generator):
    """Four batches of two groups, used in turn."""
    draw = lambda n: torch.randint(3, vocab, (n,), generator=generator).tolist()
    shapes = [(9, (4, 7)), (6, (8, 5))]
    return [[{"prompt": [2, *draw(p - 1)], "completions": [[*draw(c - 1), 1] for c in cs]} for p, cs in shapes]
            for _ in range(4)]


def rollout_numbers(name, batches, generator):
    """Fixed old and reference logprobs (float32 values) and advantages: what a rollout would have brought."""
    model = load(name, torch.float64)
    result = []
    with true_float64(), torch.no_grad():
        for groups in batches:
            policy = completion_logprobs(all_logits(model, groups), groups, TEMPERATURE)[0]
            with model.disable_adapter():
                base = completion_logprobs(all_logits(model, groups), groups, TEMPERATURE)[0]
            noise = lambda lp: lp + 0.1 * torch.randn(len(lp), generator=generator, dtype=torch.float64)
            result.append({"old_logprobs": [noise(lp).float() for lp in policy],
                           "ref_logprobs": [lp.float() for lp in base], "advantages": [0.75, -0.75, -0.5, 0.5]})
    return result


def train(name, dtype, batches, numbers):
    """Loss before each update, gradient norm before clipping, learning rate; numbers None: cross-entropy."""
    model = load(name, dtype)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_LEARNING_RATE, **ADAMW)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP_STEPS, STEPS)
    curve = {"loss": [], "grad_norm": [], "learning_rate": []}
    edge = 1.0
    for step in range(STEPS):
        groups = batches[step % len(batches)]
        logits = all_logits(model, groups)
        if numbers is None:
            loss = cross_entropy(logits, groups)
        else:
            given = numbers[step % len(batches)]
            old = [x.to(dtype) for x in given["old_logprobs"]]
            ref = [x.to(dtype) for x in given["ref_logprobs"]]
            lps = completion_logprobs(logits, groups, TEMPERATURE)[0]
            loss = grpo_loss(lps, old, ref, given["advantages"], [1 / (len(lps) * len(lp)) for lp in lps], BETA)
            ratios = torch.exp(torch.cat(lps).detach() - torch.cat(old))
            edge = min([edge] + [float((ratios - x).abs().min()) for x in (1 - EPSILON, 1 + EPSILON)])
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
        curve["loss"].append(float(loss.detach()))
        curve["grad_norm"].append(float(norm))
        curve["learning_rate"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return curve, edge


def curves(name, generator):
    batches = draw_batches(load(name, torch.float32, adapter=False).config.vocab_size, generator)
    result = {"batches": batches}
    for kind, numbers in (("supervised", None), ("grpo", rollout_numbers(name, batches, generator))):
        single, _ = train(name, torch.float32, batches, numbers)
        with true_float64():
            double, edge = train(name, torch.float64, batches, numbers)
        assert edge > 5e-5, f"{name}: a ratio comes within {edge} of the clip: change the seed"
        gap = max(abs(a - b) for a, b in zip(single["loss"], double["loss"]))
        assert gap < 1e-5, (name, kind, gap)
        assert min(single["grad_norm"]) < MAX_GRAD_NORM or kind == "supervised", single["grad_norm"]
        result[kind] = {**single, "loss_float64": double["loss"], "grad_norm_float64": double["grad_norm"],
                        "float32_gap": gap}
        if numbers is not None:
            split = lambda rows: [rows[:2], rows[2:]]
            result[kind]["batches"] = [
                {key: split([x.tolist() if torch.is_tensor(x) else x for x in values]) for key, values in batch.items()}
                for batch in numbers]
        print(name, kind, "float32 gap", gap, "edge", edge, "loss", single["loss"][0], "->", single["loss"][-4:],
              "norms", [round(n, 2) for n in single["grad_norm"]])
    return result


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(SEED)
    optimizer = {"seed": SEED, "versions": versions(),
                 "cases": [optimizer_values(0, 0.0, generator), optimizer_values(13, 0.01, generator)]}
    (HERE / "data" / "optimizer.json").write_text(json.dumps(optimizer) + "\n")
    record = {"seed": SEED, "versions": versions(), "steps": STEPS, "peak_learning_rate": PEAK_LEARNING_RATE,
              "warmup_steps": WARMUP_STEPS, "max_grad_norm": MAX_GRAD_NORM, "adamw": ADAMW, "temperature": TEMPERATURE,
              "beta": BETA, "epsilon": EPSILON,
              "models": {name: curves(name, generator) for name in ("llama", "gemma3")}}
    (HERE / "data" / "curves.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
