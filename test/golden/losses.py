"""The clipped GRPO loss as the engine states it (native/ops/ops.h, TokenLoss), and the same numbers from TRL.

loss = sum over tokens of weight * (-min(ratio * A, clip(ratio, 1 - epsilon, 1 + epsilon) * A) + beta * k3),
ratio = exp(lp - old), k3 = exp(ref - lp) - (ref - lp) - 1. The loss types differ in the weights alone.
"""
from collections import defaultdict
from types import SimpleNamespace

import torch
from trl import GRPOTrainer

EPSILON = 0.2
LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo")


def token_weights(loss_type, lengths, max_completion_length, num_items):
    """One weight for all tokens of a completion, for each completion."""
    count = len(lengths)
    return {
        "grpo": [1 / (count * length) for length in lengths],
        "bnpo": [1 / sum(lengths)] * count,
        "dr_grpo": [1 / (count * max_completion_length)] * count,
        "dapo": [1 / num_items] * count,
    }[loss_type]


def grpo_loss(logprobs, old, ref, advantages, weights, beta):
    """Lists of [tokens] tensors, one a completion; advantages and weights one number a completion."""
    total = 0.0
    for lp, o, r, advantage, weight in zip(logprobs, old, ref, advantages, weights):
        ratio = torch.exp(lp - o)
        surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - EPSILON, 1 + EPSILON) * advantage)
        k3 = torch.exp(r - lp) - (r - lp) - 1
        total = total + weight * (-surrogate + beta * k3).sum()
    return total


def grpo_metrics(logprobs, old, ref, advantages):
    """Means over all tokens: k3 and the share of tokens whose surrogate has no gradient because of the clip."""
    kl, clipped, count = 0.0, 0, 0
    for lp, o, r, advantage in zip(logprobs, old, ref, advantages):
        ratio = torch.exp(lp - o)
        kl += float((torch.exp(r - lp) - (r - lp) - 1).sum())
        clipped += int(((ratio > 1 + EPSILON) & (advantage > 0) | (ratio < 1 - EPSILON) & (advantage < 0)).sum())
        count += len(lp)
    return kl / count, clipped / count


def _pad(rows):
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def trl_loss(logprobs, old, ref, advantages, loss_type, beta, max_completion_length, num_items):
    """The same loss by TRL's own GRPOTrainer._compute_loss on padded rows, called on a stub of the trainer."""
    mask = _pad([torch.ones(len(lp), dtype=torch.float64) for lp in logprobs])
    padded = _pad(list(logprobs))
    identity = SimpleNamespace(num_processes=1, sync_gradients=True, gather=lambda x: x, reduce=lambda x, **_: x,
                               gather_for_metrics=lambda x: x)
    stub = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (padded, torch.zeros_like(padded), None),
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False,
        importance_sampling_level="token", beta=beta, loss_type=loss_type, epsilon_low=EPSILON, epsilon_high=EPSILON,
        max_completion_length=max_completion_length, current_gradient_accumulation_steps=1, accelerator=identity,
        _entropy_bonus_enabled=False, _metrics=defaultdict(lambda: defaultdict(list)),
        model=SimpleNamespace(training=True),
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1))
    ids = torch.zeros(padded.shape, dtype=torch.long)
    loss = GRPOTrainer._compute_loss(stub, None, {
        "prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1] + 1, "completion_ids": ids, "completion_mask": mask,
        "advantages": torch.tensor(advantages, dtype=torch.float64), "old_per_token_logps": _pad(old),
        "ref_per_token_logps": _pad(ref), "num_items_in_batch": torch.tensor(float(num_items))})
    metrics = stub._metrics["train"]
    return loss, metrics["kl"][0] if metrics["kl"] else None, metrics["clip_ratio/region_mean"][0]
