"""Where PyTorch's float32 functions of several steps are off by more than 2.5 ulp, for test/reliability/functions.test.ts.

    python tools/golden-ulps.py

writes test/reliability/ulps.json: by function, and by the upper 9 bits of the argument (its sign and exponent), the largest error of
PyTorch in ulp, where it is above 2.5. "inf" stands for a NaN or infinity that should be none, or the other way round.
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
STEP = 1021

softplus64 = lambda x: torch.clamp(x, min=0) + torch.log1p(torch.exp(-x.abs()))
GELU_TANH = math.sqrt(2 / math.pi)

# By our name: PyTorch's float32 function, and a float64 one that is exact enough everywhere.
FUNCTIONS = {
    "gelu": (F.gelu, lambda x: x * 0.5 * torch.erfc(-x / math.sqrt(2))),
    "gelu_tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: x / (1 + torch.exp(-2 * GELU_TANH * (x + 0.044715 * x**3))),
    ),
    "silu": (F.silu, lambda x: x / (1 + torch.exp(-x))),
    "mish": (F.mish, lambda x: x * torch.tanh(softplus64(x))),
}


def ulps(got, exact):
    exponent = torch.frexp(exact)[1].clamp(min=-125, max=128)
    ulp = torch.ldexp(torch.ones_like(exact), exponent - 24)
    error = (got.double() - exact).abs() / ulp
    rounded = exact.float()
    same = (got == rounded) | (got.isnan() & exact.isnan())
    return torch.where(same, 0.0, torch.where(error.isnan(), math.inf, error))


def main():
    bits = torch.arange(0, 2**32, STEP)
    x = torch.where(bits < 2**31, bits, bits - 2**32).to(torch.int32).view(torch.float32)
    bucket = bits >> 23
    result = {}
    for name, (single, double) in FUNCTIONS.items():
        error = ulps(single(x), double(x.double()))
        worst = torch.zeros(512, dtype=torch.float64).scatter_reduce(0, bucket, error, "amax")
        rows = {i: math.ceil(10 * w) / 10 if w < math.inf else "inf" for i, w in enumerate(worst.tolist()) if w > 2.5}
        result[name] = rows
    path = Path(__file__).parent.parent / "test" / "reliability" / "ulps.json"
    path.write_text(json.dumps(result, separators=(",", ":")).replace('},"', '},\n"') + "\n")


main()
