"""Logits, logprobs, losses and gradients of the tiny models in true float64.

usage: python make_goldens.py       reads models/, writes data/<name>.safetensors, data/<name>-full.safetensors and
                                    data/<name>.json

Each prompt + completion is computed as a sequence of its own, with no padding. README.md says what the numbers mean.
"""
import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from float64 import true_float64
from losses import EPSILON, LOSS_TYPES, grpo_loss, grpo_metrics, token_weights, trl_loss

HERE = Path(__file__).parent
NAMES = ("gemma3", "phi3", "llama", "qwen2", "qwen3")
SEED = 20250402
TEMPERATURE = 0.9
MAX_COMPLETION_LENGTH = 16
NUM_ITEMS = 61  # not the number of tokens (41), else dapo would equal bnpo
SHAPES = [(12, (5, 9, 12)), (7, (4, 11))]  # prompt and completion lengths of the two groups
ADVANTAGES = [[1.25, -0.75, -0.5], [-1.0, 0.5]]
BETAS = {"grpo_beta_0": 0.0, "grpo_beta_0.04": 0.04}


def versions():
    names = ("torch", "transformers", "peft", "trl", "numpy", "safetensors", "tokenizers", "gguf")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def make_groups(vocab, generator):
    draw = lambda n: torch.randint(3, vocab, (n,), generator=generator).tolist()
    return [{"prompt": [2, *draw(p - 1)], "completions": [[*draw(c - 1), 1] for c in cs]} for p, cs in SHAPES]


def load(name, dtype, adapter=True):
    folder = HERE / "models" / name
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").to(dtype)
    if adapter:
        model = PeftModel.from_pretrained(model, folder / "adapter", is_trainable=True, autocast_adapter_dtype=False)
        model = model.to(dtype)
    return model.eval()


def sequences(groups):
    return [(group["prompt"], completion) for group in groups for completion in group["completions"]]


def all_logits(model, groups):
    """[prompt + completion, V] for each sequence."""
    return [model(input_ids=torch.tensor([prompt + completion])).logits[0] for prompt, completion in sequences(groups)]


def completion_logprobs(logits, groups, temperature):
    """For each sequence: logprobs of the completion tokens, and entropies, of softmax(logits / temperature)."""
    logprobs, entropies = [], []
    for rows, (prompt, completion) in zip(logits, sequences(groups)):
        distribution = torch.log_softmax(rows[len(prompt) - 1 : -1] / temperature, dim=-1)
        logprobs.append(distribution.gather(1, torch.tensor(completion)[:, None])[:, 0])
        entropies.append(-(distribution.exp() * distribution).sum(-1))
    return logprobs, entropies


def gradients(loss, model):
    named = [(name.replace(".default.", "."), p) for name, p in model.named_parameters() if p.requires_grad]
    grads = torch.autograd.grad(loss, [p for _, p in named], retain_graph=True)
    return {name: grad for (name, _), grad in zip(named, grads)}


def cross_entropy(logits, groups):
    """Mean over all completion tokens of all sequences, temperature 1."""
    logprobs, _ = completion_logprobs(logits, groups, 1.0)
    return -sum(lp.sum() for lp in logprobs) / sum(len(lp) for lp in logprobs)


def f32(tensor):
    return tensor.detach().to(torch.float32).contiguous()


def noisy_old(logprobs, advantages, generator):
    """Logprobs "when sampled", in float32, away from the edges of the clip; the clip acts on both sides."""
    old = [f32(lp + 0.3 * torch.randn(len(lp), generator=generator, dtype=torch.float64)).double() for lp in logprobs]
    ratios = [torch.exp(lp.detach() - o) for lp, o in zip(logprobs, old)]
    everything = torch.cat(ratios)
    for edge in (1 - EPSILON, 1 + EPSILON):
        assert (everything - edge).abs().min() > 1e-4, "a token sits on the edge of the clip: change the seed"
    for above in (True, False):
        for positive in (True, False):
            hit = sum(int(((r > 1 + EPSILON) if above else (r < 1 - EPSILON)).sum())
                      for r, a in zip(ratios, advantages) if (a > 0) == positive)
            assert hit > 0, f"no token with ratio {'above' if above else 'below'} and A > 0 is {positive}"
    return old


def check_against_trl(lps, old, ref, flat, loss_type, beta):
    lengths = [len(lp) for lp in lps]
    leaves = [lp.detach().clone().requires_grad_() for lp in lps]
    weights = token_weights(loss_type, lengths, MAX_COMPLETION_LENGTH, NUM_ITEMS)
    ours = grpo_loss(leaves, old, ref, flat, weights, beta)
    theirs, kl, clip_ratio = trl_loss(leaves, old, ref, flat, loss_type, beta, MAX_COMPLETION_LENGTH, NUM_ITEMS)
    gap = abs(float(ours.detach()) - float(theirs.detach()))
    for a, b in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(theirs, leaves)):
        gap = max(gap, float((a - b).abs().max()))
    our_kl, our_clip = grpo_metrics(leaves, old, ref, flat)
    gap = max(gap, abs(our_clip - clip_ratio), abs(our_kl - kl) if kl is not None else 0)
    assert gap < 1e-6, (loss_type, beta, gap)
    return float(ours.detach()), gap


def split(flat):
    """One list a group from one list over all sequences."""
    result, at = [], 0
    for _, completions in SHAPES:
        result.append(flat[at : at + len(completions)])
        at += len(completions)
    return result


def numbers(tensors):
    return split([tensor.detach().tolist() for tensor in tensors])


def make(name, index):
    generator = torch.Generator().manual_seed(SEED + index)
    model = load(name, torch.float64)
    groups = make_groups(model.config.vocab_size, generator)
    flat = [a for group in ADVANTAGES for a in group]
    with true_float64():
        logits = all_logits(model, groups)
        with model.disable_adapter(), torch.no_grad():
            base_logits = all_logits(model, groups)
        lps, entropies = completion_logprobs(logits, groups, TEMPERATURE)
        ref = [f32(lp).double() for lp in completion_logprobs(base_logits, groups, TEMPERATURE)[0]]
        old = noisy_old(lps, flat, generator)
        lengths = [len(lp) for lp in lps]
        losses, gap = {}, 0.0
        for key, beta in BETAS.items():
            for loss_type in LOSS_TYPES:
                value, this_gap = check_against_trl(lps, old, ref, flat, loss_type, beta)
                losses[f"{loss_type}_beta_{beta:g}"] = value
                gap = max(gap, this_gap)
        values = list(losses.values())
        assert all(abs(a - b) > 2e-4 for i, a in enumerate(values) for b in values[:i]), losses
        tensors = {}
        ce = cross_entropy(logits, groups)
        losses["cross_entropy"] = float(ce.detach())
        wanted = {"cross_entropy": ce}
        weights = token_weights("grpo", lengths, MAX_COMPLETION_LENGTH, NUM_ITEMS)
        for key, beta in BETAS.items():
            wanted[key] = grpo_loss(lps, old, ref, flat, weights, beta)
        lora_gradients = {}
        for key, loss in wanted.items():
            for parameter, grad in gradients(loss, model).items():
                tensors[f"grad.{key}.{parameter}"] = f32(grad)
                lora_gradients[key, parameter] = grad
        full_model = load(name, torch.float64, adapter=False)
        full_loss = cross_entropy(all_logits(full_model, groups), groups)
        losses["cross_entropy_base"] = float(full_loss.detach())
        full = {parameter: f32(grad) for parameter, grad in gradients(full_loss, full_model).items()}
    flat_index = [(g, c) for g, (_, completions) in enumerate(SHAPES) for c in range(len(completions))]
    for (g, c), with_adapter, without in zip(flat_index, logits, base_logits):
        tensors[f"logits.adapter.{g}.{c}"] = f32(with_adapter)
        tensors[f"logits.base.{g}.{c}"] = f32(without)
    kl, clip_ratio = grpo_metrics(lps, old, ref, flat)
    difference_gap = finite_difference_gap(name, groups, lora_gradients, old, ref, flat, weights, generator)
    record = {
        "model": name, "seed": SEED + index, "versions": versions(),
        "temperature": TEMPERATURE, "epsilon": EPSILON, "betas": list(BETAS.values()), "kl_estimator": "k3",
        "max_completion_length": MAX_COMPLETION_LENGTH, "num_items": NUM_ITEMS, "tokens": sum(lengths),
        "groups": groups, "advantages": ADVANTAGES,
        "old_logprobs": numbers(old), "ref_logprobs": numbers(ref),
        "weights": {t: split(token_weights(t, lengths, MAX_COMPLETION_LENGTH, NUM_ITEMS)) for t in LOSS_TYPES},
        "logprobs": numbers(lps), "entropies": numbers(entropies),
        "logprobs_temperature_1": numbers(completion_logprobs(logits, groups, 1.0)[0]),
        "losses": losses, "kl": kl, "clip_ratio": clip_ratio,
        "entropy": float(torch.cat(entropies).mean()), "trl_gap": gap,
        "finite_difference_gap": difference_gap,
        "float32": float32_errors(name, groups, logits, lora_gradients, flat, old, ref, weights),
    }
    save_file(tensors, HERE / "data" / f"{name}.safetensors", metadata={"versions": json.dumps(versions())})
    save_file(full, HERE / "data" / f"{name}-full.safetensors", metadata={"versions": json.dumps(versions())})
    (HERE / "data" / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(name, "largest logit", max(float(x.detach().abs().max()) for x in logits), "TRL gap", gap,
          "finite differences", record["finite_difference_gap"], record["float32"])


def finite_difference_gap(name, groups, lora_gradients, old, ref, flat, weights, generator):
    """|directional derivative by differences - by gradients| / |gradients|: says that the float64 is a true one."""
    model = load(name, torch.float64)
    named = [(n.replace(".default.", "."), p) for n, p in model.named_parameters() if p.requires_grad]
    directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for _, p in named]
    length = sum(float(d.pow(2).sum()) for d in directions) ** 0.5
    size, values = 1e-5, []
    with torch.no_grad(), true_float64():
        for sign in (1, -2):  # to +size, then to -size
            for (_, parameter), direction in zip(named, directions):
                parameter += sign * size / length * direction
            lps = completion_logprobs(all_logits(model, groups), groups, TEMPERATURE)[0]
            values.append(float(grpo_loss(lps, old, ref, flat, weights, 0.04)))
    gradients_of = [lora_gradients["grpo_beta_0.04", n] for n, _ in named]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients_of, directions)) / length
    norm = sum(float(g.pow(2).sum()) for g in gradients_of) ** 0.5
    gap = abs((values[0] - values[1]) / (2 * size) - slope) / norm
    assert gap < 1e-7, (name, gap)
    return gap


def float32_errors(name, groups, logits, lora_gradients, flat, old, ref, weights):
    """How far plain float32 torch is from these goldens: a floor for any float32 engine."""
    model = load(name, torch.float32)
    single = all_logits(model, groups)
    lps, _ = completion_logprobs(single, groups, TEMPERATURE)
    loss = grpo_loss(lps, [x.float() for x in old], [x.float() for x in ref], flat, weights, 0.04)
    pairs = [(grad, lora_gradients["grpo_beta_0.04", parameter]) for parameter, grad in gradients(loss, model).items()]
    return {
        "logits_max_abs": max(float((a.double() - b).abs().max()) for a, b in zip(single, logits)),
        "gradient_max_relative_norm": max(float((a.double() - b).norm() / b.norm()) for a, b in pairs),
    }


def main():
    torch.set_num_threads(1)
    (HERE / "data").mkdir(exist_ok=True)
    for index, name in enumerate(NAMES):
        make(name, index)


if __name__ == "__main__":
    main()
