"""Writes test/autograd/programs.gz: random programs of views, in-place changes and arithmetic, and what PyTorch makes of them.

Run with a Python that has PyTorch:  python3 tools/golden-programs.py
A program is a list of instructions on a growing list of values, of which the first three are leaves: float64 matrices.
[op, operands…] appends a value; ops that end in "_" change their first operand in place and append that same tensor.
What PyTorch refuses (a saved value changed, a view of several) is part of the result: {"error": class}.
"""
import gzip
import json
import os
import random

import torch

PROGRAMS = 400

UNARY = ["neg", "sin", "exp", "sigmoid", "abs", "relu", "square", "clone", "tanh"]
BINARY = ["add", "sub", "mul", "maximum"]
VIEWS = ["t", "first_row", "last_columns", "every_second", "flat", "unsqueeze", "detach", "expand", "diagonal"]
INPLACE_UNARY = ["neg_", "sin_", "sigmoid_", "square_", "zero_", "relu_", "tanh_"]
INPLACE_BINARY = ["add_", "mul_", "copy_", "sub_"]
REDUCTIONS = ["sum0", "sum", "mean1"]


def view(name, x):
    if name == "t":
        return x.t() if x.dim() <= 2 else x.transpose(0, -1)
    if name == "first_row":
        return x[0]
    if name == "last_columns":
        return x[..., 1:]
    if name == "every_second":
        return x[..., ::2]
    if name == "flat":
        return x.reshape(-1)
    if name == "unsqueeze":
        return x.unsqueeze(0)
    if name == "detach":
        return x.detach()
    if name == "expand":
        return x.unsqueeze(0).expand(2, *x.shape)
    return x.diagonal()


def step(instruction, values):
    name, *operands = instruction
    xs = [values[i] for i in operands]
    if name in VIEWS:
        return view(name, xs[0])
    if name == "sum0":
        return xs[0].sum(0)
    if name == "sum":
        return xs[0].sum()
    if name == "mean1":
        return xs[0].mean(-1, keepdim=True)
    if name == "scale":
        return xs[0] * 0.5
    if name == "scale_":
        return xs[0].mul_(0.5)
    return getattr(torch.Tensor, name)(*xs) if name not in ("maximum",) else torch.maximum(*xs)


def leaves(seed):
    base = torch.arange(12, dtype=torch.float64)
    return [torch.sin(base[:6] * (k + 1) + seed).reshape(2, 3).detach().requires_grad_() for k in range(3)]


def generate(rng):
    """A program whose forward pass works, and how far it got."""
    seed = rng.randrange(1000)
    values = leaves(seed)
    program = []
    for _ in range(rng.randrange(4, 16)):
        for _ in range(20):
            kind = rng.random()
            recent = lambda: rng.randrange(len(values)) if rng.random() < 0.4 else rng.randrange(max(0, len(values) - 4), len(values))
            if kind < 0.2:
                instruction = [rng.choice(UNARY + ["scale"]), recent()]
            elif kind < 0.4:
                instruction = [rng.choice(BINARY), recent(), recent()]
            elif kind < 0.65:
                instruction = [rng.choice(VIEWS), recent()]
            elif kind < 0.8:
                instruction = [rng.choice(INPLACE_UNARY + ["scale_"]), recent()]
            elif kind < 0.95:
                instruction = [rng.choice(INPLACE_BINARY), recent(), recent()]
            else:
                instruction = [rng.choice(REDUCTIONS), recent()]
            # Overwriting an expanded tensor with zeros works, but PyTorch cannot differentiate it.
            if instruction[0] == "zero_" and 0 in values[instruction[1]].stride():
                continue
            if instruction[0] == "copy_" and values[instruction[1]] is values[instruction[2]]:
                continue
            try:
                out = step(instruction, values)
            except Exception:
                continue
            if out.numel() == 0 or out.numel() > 60 or not torch.isfinite(out).all() or out.detach().abs().max() > 1e3:
                # An in-place change may have spoiled a value: this program ends here.
                if instruction[0].endswith("_"):
                    return seed, program, instruction
                continue
            program.append(instruction)
            values.append(out)
            break
    return seed, program, None


def run(seed, program):
    values = leaves(seed)
    inputs = values[:3]
    for instruction in program:
        values.append(step(instruction, values))
    flags = "".join("r" if attempt_flag(v) else "-" for v in values)
    try:
        # Every value that requires a gradient takes part.
        total = sum((v * (0.1 + 0.05 * k)).sum() for k, v in enumerate(values) if v.requires_grad)
        total.backward()
    except RuntimeError as error:
        return {"flags": flags, "error": "version" if "modified by an inplace" in str(error) else "view"}
    return {
        "flags": flags,
        "total": number(total.item()),
        "grads": [None if x.grad is None else [number(v) for v in x.grad.flatten().tolist()] for x in inputs],
    }


def attempt_flag(v):
    return v.requires_grad


def number(v):
    return float(f"{v:.10g}")


def main():
    rng = random.Random(5)
    result = []
    while len(result) < PROGRAMS:
        seed, program, spoiled = generate(rng)
        if spoiled is not None or len(program) < 3:
            continue
        outcome = run(seed, program)
        if any(g is not None and not all(abs(v) < 1e6 for v in g) for g in outcome.get("grads", [])):
            continue
        result.append({"seed": seed, "program": program, **outcome})
    here = os.path.dirname(os.path.abspath(__file__))
    text = json.dumps(result, separators=(",", ":"))
    with open(os.path.join(here, "..", "test", "autograd", "programs.gz"), "wb") as file:
        file.write(gzip.compress(text.encode(), 9, mtime=0))
    print(len(result), "programs,", sum("error" in r for r in result), "refused,", sum(any(i[0].endswith("_") for i in r["program"]) for r in result), "with in-place changes")


main()
