"""Writes test/ir/golden/math.json: float64 functions at chosen points, exact (mpmath) and as PyTorch computes them.

Run with a Python that has PyTorch and mpmath: python golden-math.py > test/ir/golden/math.json
"""

import json
import math

import mpmath
import torch
from mpmath import mp, mpf

mp.dps = 60


def spread(low, high, n):
    """n numbers between low and high, evenly in the logarithm, with all bits in use."""
    return [low * (high / low) ** (i / (n - 1)) for i in range(n)]


def both(xs):
    return [s * x for x in xs for s in (1, -1)]


def erfinv(y):
    # mpmath's erfinv starts from a guess that fails in the tails; 1 - |y| is exact in float64.
    if abs(y) < 0.5:
        return mp.erfinv(y)
    q = 1 - abs(mpf(y))
    x = mp.sqrt(-mp.log(q))
    for _ in range(60):
        f = mp.log(mp.erfc(x) / q)
        x = x + f * mp.erfc(x) * mp.sqrt(mp.pi) / 2 * mp.exp(x * x)
    return x if y > 0 else -x


def ndtri(p):
    q = mpf(p)
    x = mp.sqrt(-2 * mp.log(min(q, 1 - q)))
    lower = min(q, 1 - q)
    for _ in range(80):
        tail = mp.erfc(x / mp.sqrt(2)) / 2
        x = x + mp.log(tail / lower) * tail * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
    return -x if p < 0.5 else x


small = spread(1e-10, 0.9, 12)
FUNCTIONS = {
    "erf": (mp.erf, torch.special.erf, both(small + spread(0.7, 7, 25))),
    "erfc": (mp.erfc, torch.special.erfc, both(small) + spread(0.2, 26.4, 40) + [-0.5, -2.0, -5.9]),
    "erfinv": (erfinv, torch.special.erfinv, both(small + [0.5, 0.7, 0.95, 0.999, 1 - 1e-9, 1 - 2**-53])),
    "ndtri": (ndtri, torch.special.ndtri, spread(1e-300, 0.24, 15) + [0.3, 0.49, 0.51, 0.7, 0.8, 0.99, 1 - 1e-10]),
    "lgamma": (lambda x: mp.log(abs(mp.gamma(x))), torch.special.gammaln,
               spread(1e-20, 0.45, 8) + spread(0.5, 30, 30) + [1 + 1e-9, 2 - 1e-9, 1e3, 1e10, 1e100, -0.3, -1.7, -5.25, -30.6]),
    "digamma": (mp.digamma, torch.special.digamma, spread(1e-6, 0.9, 8) + spread(1, 1000, 25) + [1e10, -0.3, -1.7, -5.25, -30.6]),
    "trigamma": (lambda x: mp.polygamma(1, x), lambda t: torch.special.polygamma(1, t), spread(1e-3, 0.9, 8) + spread(1, 1000, 25) + [-0.3, -1.7, -5.25]),
    "i0": (lambda x: mp.besseli(0, x), torch.special.i0, spread(1e-3, 709, 30) + [-3.0]),
    "i0e": (lambda x: mp.besseli(0, x) * mp.exp(-abs(mpf(x))), torch.special.i0e, spread(1e-3, 1e4, 30) + [-3.0]),
    "i1": (lambda x: mp.besseli(1, x), torch.special.i1, spread(1e-3, 709, 30) + [-3.0]),
    "i1e": (lambda x: mp.besseli(1, x) * mp.exp(-abs(mpf(x))), torch.special.i1e, spread(1e-3, 1e4, 30) + [-3.0]),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-mpf(x))), torch.sigmoid, both(spread(1e-3, 700, 20))),
    "exp2": (lambda x: mpf(2) ** mpf(x), torch.exp2, both(spread(1e-3, 1000, 20))),
    "log10": (lambda x: mp.log10(x), torch.log10, spread(1e-150, 1e150, 25) + spread(0.9, 1.1, 8)),
    "expm1": (mp.expm1, torch.expm1, both(spread(1e-10, 700, 20))),
    "log1p": (lambda x: mp.log1p(x), torch.log1p, spread(1e-10, 1e10, 15) + [-1e-5, -0.3, -0.99]),
}

golden = {}
for name, (exact, ours, xs) in FUNCTIONS.items():
    xs = [float(x) for x in xs]
    theirs = ours(torch.tensor(xs, dtype=torch.float64)).tolist()
    golden[name] = [[x, float(exact(mpf(x) if name not in ("erfinv", "ndtri") else x)), t] for x, t in zip(xs, theirs)]

edge = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, math.inf, -math.inf, math.nan]
specials = {}
for name, f in {k: v[1] for k, v in FUNCTIONS.items()}.items():
    specials[name] = [[repr(x), repr(v)] for x, v in zip(edge, f(torch.tensor(edge, dtype=torch.float64)).tolist())]

for name, f in {"pow": torch.pow, "atan2": torch.atan2, "hypot": torch.hypot, "nextafter": torch.nextafter}.items():
    pairs = [(a, b) for a in edge for b in edge]
    values = f(torch.tensor([a for a, _ in pairs], dtype=torch.float64), torch.tensor([b for _, b in pairs], dtype=torch.float64))
    specials[name] = [[repr(a), repr(b), repr(v)] for (a, b), v in zip(pairs, values.tolist())]

print("{")
print('"values": {')
print(",\n".join(f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in golden.items()))
print('},\n"specials": {')
print(",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in specials.items()))
print("}\n}")
