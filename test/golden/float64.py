"""A true float64 forward and backward of transformers models.

`model.double()` alone is not enough: the RMS norms and the eager softmax cast to float32 inside (a difference of 5e-8
to 3e-7 in the logits). Rope frequencies, cos and sin stay float32: that is their published definition. Gemma's
embedding scale stays the float32 value of sqrt(hidden_size).
"""
from contextlib import contextmanager

import torch
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.phi3.modeling_phi3 import Phi3RMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm


def _plain_norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def _gemma_norm(self, x):
    return self._norm(x) * (1.0 + self.weight)


_NORMS = [(LlamaRMSNorm, _plain_norm), (Phi3RMSNorm, _plain_norm), (Qwen2RMSNorm, _plain_norm),
          (Qwen3RMSNorm, _plain_norm), (Gemma3RMSNorm, _gemma_norm)]


@contextmanager
def true_float64():
    """Inside, float64 models compute in float64 only, but for rope."""
    softmax, forwards = torch.nn.functional.softmax, [cls.forward for cls, _ in _NORMS]

    def softmax64(x, dim=None, dtype=None, **rest):
        assert x.dtype == torch.float64, x.dtype
        return softmax(x, dim=dim, **rest)

    torch.nn.functional.softmax = softmax64
    for cls, forward in _NORMS:
        cls.forward = forward
    try:
        yield
    finally:
        torch.nn.functional.softmax = softmax
        for (cls, _), forward in zip(_NORMS, forwards):
            cls.forward = forward
