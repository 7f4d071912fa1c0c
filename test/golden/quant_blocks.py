"""Writes data/quant_blocks.json: quantised blocks and their values by the reference decoder and encoder of `gguf`.

Run: python test/golden/quant_blocks.py   (needs gguf and numpy; versions are written into the file)
Decoding: random block bytes with finite scales, also subnormal ones. Encoding: rows at several magnitudes, with a
constant block and a zero block; only for the types whose reference encoder the package has.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

SEED = 20250301
HALVES = {  # byte offsets of the F16 fields of a block
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
ENCODED = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def decode_case(name: str, rng: np.random.Generator) -> dict:
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    count = 6 if elements == 32 else 2
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for offset in HALVES[name]:
        scales = (rng.standard_normal(count) * 10.0 ** rng.integers(-7, 2, count)).astype(np.float16)
        blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(count, 2)
    values = quants.dequantize(blocks.reshape(1, -1), kind).astype(np.float32).reshape(-1)
    return {"blocks": blocks.tobytes().hex(), "values": values.astype("<f4").tobytes().hex()}


def encode_case(name: str, rng: np.random.Generator) -> dict:
    rows = (rng.standard_normal((6, 32)) * np.array([[1e-3], [0.05], [1.0], [30.0], [0.0], [0.0]])).astype(np.float32)
    rows[4] = 0.25
    rows[5] = 0.0  # not the signed zeros of the product
    blocks = quants.quantize(rows.reshape(1, -1), GGMLQuantizationType[name])
    return {"rows": rows.astype("<f4").tobytes().hex(), "blocks": blocks.tobytes().hex()}


def main() -> None:
    rng = np.random.default_rng(SEED)
    golden = {
        "made_by": "test/golden/quant_blocks.py",
        "versions": {"gguf": version("gguf"), "numpy": version("numpy")},
        "seed": SEED,
        "decode": {name: decode_case(name, rng) for name in HALVES},
        "encode": {name: encode_case(name, rng) for name in ENCODED},
    }
    path = Path(__file__).parent / "data" / "quant_blocks.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
