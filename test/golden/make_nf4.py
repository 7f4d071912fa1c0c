"""Writes data/nf4.json: matrices and their NF4 form with double quantisation by bitsandbytes, and the values it reads back.

Run: python test/golden/make_nf4.py   (needs torch, numpy and bitsandbytes; versions are written into the file)
Elements of several blocks are BF16 numbers, so the sum of the absmaxes is exact and their mean the same in every order. The CPU kernel of
bitsandbytes finds absmax codes in a table of 65536 steps; seeds are chosen such that every code is also the nearest one,
which is what its GPU kernel gives.
"""

import json
from importlib.metadata import version
from pathlib import Path

import bitsandbytes.functional as bnb
import numpy as np
import torch

FIRST_SEED = 20260101


def hexed(tensor: torch.Tensor) -> str:
    return tensor.contiguous().numpy().tobytes().hex()


def has_nearest_codes(matrix: torch.Tensor, state: bnb.QuantState) -> bool:
    absmax = matrix.reshape(-1, 64).abs().amax(1) - state.offset
    blocks = torch.repeat_interleave(state.state2.absmax, 256)[: absmax.numel()]
    scaled = absmax * (1 / blocks.clamp(min=1e-38))
    table = state.state2.code
    nearest = torch.bucketize(scaled, (table[:-1] + table[1:]) / 2)
    return bool((nearest == state.absmax)[blocks > 0].all())


def random_matrix(rows: int, cols: int, spread: float) -> tuple[int, torch.Tensor]:
    for seed in range(FIRST_SEED, FIRST_SEED + 1000):
        torch.manual_seed(seed)
        scales = torch.exp(spread * torch.randn(rows, cols // 64)).repeat_interleave(64, 1)
        matrix = (0.02 * scales * torch.randn(rows, cols)).bfloat16().float()
        if has_nearest_codes(matrix, bnb.quantize_4bit(matrix, quant_type="nf4", compress_statistics=True)[1]):
            return seed, matrix
    raise RuntimeError("no seed gives the nearest codes everywhere")


def border_matrix() -> torch.Tensor:
    """Every border between two codes and its two neighbours, in a block whose absmax is 1."""
    table = bnb.get_4bit_type("nf4", device="cpu")
    borders = ((table[:-1] + table[1:]) / 2).numpy()
    near = [np.nextafter(borders, np.float32(-2)), borders, np.nextafter(borders, np.float32(2))]
    row = np.zeros(64, np.float32)
    row[:45] = np.concatenate(near)
    row[45] = -1
    return torch.from_numpy(row).reshape(1, 64)


def edge_matrix() -> torch.Tensor:
    rows = torch.zeros(6, 64)
    rows[0] = -0.0
    rows[1, 17] = 448.0  # one outlier among zeros
    rows[2] = 0.25  # a constant
    rows[3, :] = torch.tensor([-0.001953125, 0.001953125]).repeat(32)
    rows[3, 5] = -448.0
    return rows


def main() -> None:
    tiny = torch.zeros(2, 64)
    tiny[0, :] = torch.linspace(-1, 1, 64) * 1e-36
    tiny[1, :] = torch.linspace(-1, 1, 64) * 1e-39  # subnormal, under the smallest divisor
    seed, rows = random_matrix(7, 192, 0.3)
    long_seed, long_rows = random_matrix(5, 3904, 0.3)  # 305 blocks: two nested ones, the second not full
    matrices = {
        "random": rows,
        "two nested blocks": long_rows,
        "zeros": torch.zeros(2, 128),
        "edges": edge_matrix(),
        "borders": border_matrix(),
        "tiny": tiny,
    }
    golden = {
        "made_by": "test/golden/make_nf4.py",
        "versions": {name: version(name) for name in ("bitsandbytes", "torch", "numpy")},
        "seeds": {"random": seed, "two nested blocks": long_seed},
        "values": hexed(bnb.get_4bit_type("nf4", device="cpu")),
        "absmax_map": hexed(bnb.create_dynamic_map()),
        "matrices": {},
    }
    for name, matrix in matrices.items():
        is_bf16 = torch.equal(matrix, matrix.bfloat16().float())
        codes, state = bnb.quantize_4bit(matrix, quant_type="nf4", compress_statistics=True)
        assert has_nearest_codes(matrix, state), name
        assert state.blocksize == 64 and state.state2.blocksize == 256
        assert torch.equal(state.state2.code, bnb.create_dynamic_map())
        golden["matrices"][name] = {
            "shape": list(matrix.shape),
            "dtype": "BF16" if is_bf16 else "F32",
            "matrix": hexed(matrix.bfloat16().view(torch.int16) if is_bf16 else matrix),
            "codes": hexed(codes),
            "absmax": hexed(state.absmax),
            "nested": hexed(state.state2.absmax),
            "offset": hexed(state.offset.reshape(1)),
            "dequantized": hexed(bnb.dequantize_4bit(codes, state)),
        }
    path = Path(__file__).parent / "data" / "nf4.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
