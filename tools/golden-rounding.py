"""PyTorch's own rounding errors, which test/reliability/rounding.test.ts compares ours with.

    python tools/golden-rounding.py

writes test/reliability/rounding.json: for each case the relative error (root of the mean square, against float64 on the same
inputs) of PyTorch's float32 result and gradients. The inputs are drawn from a seed, in the order in which they stand, so that
the file needs none of them.
"""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

torch.set_num_threads(1)

GEMM = [
    [128, 128, 128], [512, 512, 512], [64, 3136, 576], [197, 768, 768], [32, 784, 128], [100, 100, 100],
    [1, 1024, 4096], [16, 16, 20000], [1024, 256, 1024], [7, 13, 3000],
]
# Input, weight, and the rest of conv2d's arguments.
CONVOLUTIONS = {
    "3x3": ([4, 64, 28, 28], [64, 64, 3, 3], {"padding": 1}),
    "3x3, many channels, small picture": ([2, 256, 14, 14], [256, 256, 3, 3], {"padding": 1}),
    "3x3, more channels": ([2, 512, 7, 7], [512, 512, 3, 3], {"padding": 1}),
    "3x3, few channels": ([2, 3, 32, 32], [16, 3, 3, 3], {"padding": 1}),
    "7x7, stride 2": ([2, 3, 64, 64], [64, 3, 7, 7], {"padding": 3, "stride": 2}),
    "3x3, stride 2": ([2, 64, 28, 28], [128, 64, 3, 3], {"padding": 1, "stride": 2}),
    "5x5": ([8, 6, 14, 14], [16, 6, 5, 5], {}),
    "1x1": ([2, 256, 14, 14], [64, 256, 1, 1], {}),
    "groups": ([2, 64, 28, 28], [64, 8, 3, 3], {"padding": 1, "groups": 8}),
    "depthwise": ([2, 64, 28, 28], [64, 1, 3, 3], {"padding": 1, "groups": 64}),
    "dilation": ([2, 32, 28, 28], [32, 32, 3, 3], {"padding": 2, "dilation": 2}),
}


def error(got, exact):
    difference = got.double() - exact
    return (difference.square().mean().sqrt() / exact.square().mean().sqrt()).item()


def gradients(f, *inputs):
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    y = f(*leaves)
    torch.manual_seed(1)
    y.backward(torch.randn(y.shape).to(y.dtype))
    return [y, *(x.grad for x in leaves)]


def errors(f, *inputs):
    single = gradients(f, *inputs)
    double = gradients(f, *(x.double() for x in inputs))
    return [error(a, b) for a, b in zip(single, double)]


def main():
    result = {"matmul": [], "conv2d": []}
    for m, n, k in GEMM:
        for transposed in ["", "a", "b"]:
            torch.manual_seed(0)
            a = torch.randn(k, m).t() if transposed == "a" else torch.randn(m, k)
            b = torch.randn(n, k).t() if transposed == "b" else torch.randn(k, n)
            exact = a.double() @ b.double()
            result["matmul"].append({"sizes": [m, n, k], "transposed": transposed, "error": error(a @ b, exact)})
    for name, (input, weight, options) in CONVOLUTIONS.items():
        torch.manual_seed(0)
        x, w = torch.randn(input), torch.randn(weight) * 0.1
        found = errors(lambda x, w: F.conv2d(x, w, **options), x, w)
        result["conv2d"].append({"name": name, "input": input, "weight": weight, "options": options, "errors": found})
    path = Path(__file__).parent.parent / "test" / "reliability" / "rounding.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


main()
