"""Writes test/errors/golden.json: PyTorch's answers to the wrong calls in test/errors/cases.ts.

Run with a Python that has PyTorch:  python3 tools/golden-errors.py
The first argument of every call of c(...) in that file is the Python expression.
"""
import json
import os
import re
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.simplefilter("ignore")


def fixtures():
    x = torch.arange(6.0).reshape(2, 3)
    return dict(
        x=x,
        y=torch.ones(4, 5),
        v=torch.arange(3.0),
        i=torch.tensor([0, 1, 2]),
        b=torch.tensor([True, False, True]),
        d=x.double(),
        w=torch.ones(2, 3, requires_grad=True),
        e=torch.zeros(0, 3),
        s=torch.tensor(2.5),
        images=torch.ones(2, 3, 8, 8),
    )


here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "..", "test", "errors")
with open(os.path.join(folder, "cases.ts")) as file:
    source = file.read()
golden = {}
for text in re.findall(r'^c\(\s*("(?:[^"\\]|\\.)*")', source, re.M):
    expression = json.loads(text)
    try:
        eval(expression, {"torch": torch, "nn": nn, "F": F, **fixtures()})
        answer = None
    except Exception as e:
        answer = [type(e).__name__, str(e)]
    golden[expression] = answer
with open(os.path.join(folder, "golden.json"), "w") as file:
    file.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items()) + "\n}\n")
print(len(golden), "calls;", [k for k, v in golden.items() if v is None], "are no errors in PyTorch")
