"""What the scenarios of autograd share: see test/autograd/scenarios/common.ts.

tools/golden-autograd/AREA.py writes test/autograd/golden/AREA.json: what real PyTorch logs in small programs. Each function
there has a twin of the same name in test/autograd/scenarios/AREA.ts, which must log the same: values, flags, names, and
errors (class and first sentence).
"""
import json
import math
import os
import re
import sys
import warnings

import torch
from torch.autograd import Function

warnings.simplefilter("ignore")
scenarios = []


def scenario(f):
    scenarios.append(f)
    return f


def plain(x):
    if isinstance(x, torch.Tensor):
        return plain(x.tolist())
    if isinstance(x, (tuple, list)):
        return [plain(v) for v in x]
    if isinstance(x, float) and not math.isfinite(x):
        return "@NaN" if math.isnan(x) else "@Infinity" if x > 0 else "@-Infinity"
    return x


def attempt(f):
    """The value of f(), or its error."""
    try:
        return plain(f())
    except Exception as e:
        first = re.split(r"(?<=[a-z\])])\. | Hint:", str(e))[0].rstrip(".")
        return f"{type(e).__name__}: {first}"


def node(t):
    fn = t.grad_fn
    return None if fn is None else short(fn)


def short(fn):
    return None if fn is None else fn.name().replace("torch::autograd::", "")


def edges(t):
    return [[short(f), n] for f, n in t.grad_fn.next_functions if f is not None]


def leaf(*values):
    return torch.tensor([float(v) for v in values], requires_grad=True)


def f32(values):
    return torch.tensor(values, dtype=torch.float32)


def function(forward, backward=None, setup_context=None):
    body = {"forward": staticmethod(forward)}
    if backward:
        body["backward"] = staticmethod(backward)
    if setup_context:
        body["setup_context"] = staticmethod(setup_context)
    return type("Fn", (Function,), body).apply


def define(name="Fn", **statics):
    """A custom function from its static methods and attributes."""
    return type(name, (Function,), {k: staticmethod(v) if callable(v) else v for k, v in statics.items()})


def main():
    """Runs the scenarios of the calling script and writes their log."""
    area = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    result = {}
    for f in scenarios:
        entries = []
        f(lambda *values: entries.extend(plain(list(values))))
        result[f.__name__] = entries
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "..", "..", "test", "autograd", "golden", area + ".json")
    lines = [f"{json.dumps(name)}: {json.dumps(entries)}" for name, entries in result.items()]
    with open(path, "w") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
