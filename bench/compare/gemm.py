"""F32 matrix products by torch (nn.functional.linear), on shapes given as ROWSxINxOUT.

usage: python gemm.py 512x576x1536 [ROWSxINxOUT ...] [--seconds 1] [--threads 2]

The fastest of many repetitions counts: other programs can only slow one down. Prints one JSON object.
"""
import argparse
import json
import time
from importlib.metadata import version

from peer import Meter
import torch


def fastest(run, seconds):
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="+")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    gflops = {}
    with Meter() as meter:
        for shape in options.shapes:
            rows, inner, out = map(int, shape.split("x"))
            x, w = torch.randn(rows, inner), torch.randn(out, inner)
            with torch.no_grad():
                seconds = fastest(lambda: torch.nn.functional.linear(x, w), options.seconds)
            gflops[shape] = 2 * rows * inner * out / seconds / 1e9
    print(json.dumps({"peer": "torch", "gflops": gflops, "threads": options.threads, "foreign_cpu": meter.foreign_cpu,
                      "versions": {"torch": version("torch")}}))


if __name__ == "__main__":
    main()
