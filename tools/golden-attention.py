"""Golden scaled dot-product attention, made by real PyTorch. Run with a Python that has PyTorch:

    python3 tools/golden-attention.py        writes test/nn/golden-attention.json

{"cases": [{"query", "key", "value": shapes, "mask"?: [kind, shape], "dtype", "options", "seed", "out": [shape, values],
            "grads": for query, key, value and a float mask: values, null where there is none, "order": of the result's strides}],
 "errors": [{"query", "key", "value", "dtypes", "mask"?, "options", "class", "message"}]}

Inputs are made by `numbers`, masks by `mask`; gradients are those of the sum of out times `numbers(…, 7)`. Dropout draws after
torch.manual_seed(seed). Half-precision results are kept as floats.
"""
import json
import os

import torch
import torch.nn.functional as F

TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "nn", "golden-attention.json")


def numbers(shape, index, dtype=torch.float32):
    i = torch.arange(torch.Size(shape).numel())
    return (((37 * i + 11 * index + i // 23 + 5) % 29 - 14).double() / 8).to(dtype).reshape(shape)


def mask(kind, shape, dtype):
    """bool: true takes part. row: no key at all for query 1. float: some -inf. infinite: query 1 has only -inf."""
    keep = numbers(shape, 3) > -0.8
    if kind == "row":
        keep[..., 1, :] = False
    if kind in ("bool", "row"):
        return keep
    added = numbers(shape, 4, dtype).masked_fill(~keep, float("-inf"))
    if kind == "infinite":
        added[..., 1, :] = float("-inf")
    return added


A, B = [2, 2, 3, 4], [2, 2, 5, 4]
CASES = [
    (A, B, B, None, {}), (A, B, B, None, {"is_causal": True}), (A, B, B, None, {"scale": 0.3}), (A, B, B, None, {"scale": -2}),
    (A, B, [2, 2, 5, 6], None, {"is_causal": True, "scale": 0.75}), ([2, 2, 7, 4], B, B, None, {"is_causal": True}),
    (A, B, B, ["bool", [3, 5]], {}), (A, B, B, ["bool", [2, 1, 3, 5]], {}), (A, B, B, ["float", [3, 5]], {}), (A, B, B, ["float", [2, 2, 1, 5]], {}),
    (A, B, B, ["row", [3, 5]], {}), (A, B, B, ["infinite", [2, 3, 5]], {}), (A, B, B, ["float", [5]], {}), (A, B, B, ["bool", [2, 2, 3, 1]], {}),
    ([3, 4], [5, 4], [5, 2], None, {}), ([3, 4], [5, 4], [5, 2], ["row", [3, 5]], {}), ([3, 4], [5, 4], [5, 4], None, {"is_causal": True}),
    ([2, 3, 4], [2, 5, 4], [2, 5, 6], ["infinite", [3, 5]], {}), ([2, 3, 4], [2, 5, 4], [2, 5, 4], ["bool", [2, 3, 5]], {}), ([1, 3, 4], [2, 5, 4], [2, 5, 6], None, {}),
    ([3, 1, 2, 3, 4], [2, 1, 5, 4], [2, 1, 5, 4], None, {"is_causal": True}), ([1, 2, 3, 4], B, [2, 1, 5, 4], None, {}),
    ([2, 6, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4], None, {"enable_gqa": True}), ([2, 6, 3, 4], [2, 2, 5, 4], [2, 2, 5, 3], ["float", [2, 6, 3, 5]], {"enable_gqa": True}),
    ([2, 6, 3, 4], [2, 2, 5, 4], [2, 3, 5, 4], ["bool", [1, 1, 3, 5]], {"enable_gqa": True}), ([6, 3, 4], [2, 5, 4], [2, 5, 4], None, {"enable_gqa": True, "is_causal": True}),
    ([2, 4, 3, 4], [2, 4, 5, 4], [2, 4, 5, 4], ["row", [1, 4, 3, 5]], {"enable_gqa": True}),
    (A, B, B, None, {"dropout_p": 0.4}), ([2, 3, 4], [2, 5, 4], [2, 5, 4], ["bool", [3, 5]], {"dropout_p": 0.3}), (A, B, B, None, {"dropout_p": 0.5, "is_causal": True}),
    ([2, 3, 4], [2, 0, 4], [2, 0, 6], None, {}), ([2, 0, 4], [2, 5, 4], [2, 5, 6], None, {}), ([2, 3, 0], [2, 5, 0], [2, 5, 6], None, {}),
    ([1, 1, 20, 8], [1, 1, 35, 8], [1, 1, 35, 8], None, {"is_causal": True}),
]
HALF = [(A, B, B, None, {}), (A, B, B, ["float", [3, 5]], {}), (A, B, B, ["row", [3, 5]], {}), (A, B, B, None, {"is_causal": True})]
FAILING = [
    ([3], [3], [3], None, {}), ([3, 4], [5, 4], [4, 6], None, {}), ([2, 3, 4], [2, 5, 3], [2, 5, 6], None, {}), ([2, 3, 4], [3, 5, 4], [2, 5, 6], None, {}),
    ([2, 3, 4], [2, 5, 4], [2, 5, 6], ["float", [3, 5]], {"is_causal": True}), ([2, 3, 4], [2, 5, 4], [2, 5, 6], ["float", [4, 5]], {}),
    ([2, 3, 4], [2, 5, 4], [2, 5, 6], ["float", [7, 2, 3, 5]], {}), ([2, 3, 4], [2, 5, 4], [2, 5, 6], None, {"dropout_p": 1.5}),
    ([2, 5, 3, 4], [2, 2, 5, 4], [2, 2, 5, 6], None, {"enable_gqa": True}), ([3, 4], [5, 4], [5, 6], None, {"enable_gqa": True}),
    ([3, 4], [5, 4], [5, 4], ["float", [2, 1, 5]], {}),
]


def flat(tensor):
    digits = 16 if tensor.dtype == torch.float64 else 8
    return [float(f"{x:.{digits}g}") if x == x and abs(x) != float("inf") else str(x) for x in tensor.detach().double().flatten().tolist()]


def case(number, query, key, value, given, options, dtype="float32"):
    kind = getattr(torch, dtype)
    q, k, v = (numbers(s, i, kind).requires_grad_() for i, s in enumerate((query, key, value)))
    m = None if given is None else mask(*given, kind)
    inputs = [q, k, v]
    if m is not None and m.is_floating_point():
        inputs.append(m.requires_grad_())
    torch.manual_seed(number)
    out = F.scaled_dot_product_attention(q, k, v, m, **options)
    grads = torch.autograd.grad((out * numbers(out.shape, 7, kind)).sum(), inputs, allow_unused=True)
    return {"query": query, "key": key, "value": value, **({"mask": given} if given else {}), "dtype": dtype, "options": options, "seed": number,
            "out": [list(out.shape), flat(out)], "grads": [None if g is None else flat(g) for g in grads]}


def error(query, key, value, given, options, dtypes=("float32",) * 3, kind=None):
    q, k, v = (numbers(s, i, getattr(torch, d)) for i, (s, d) in enumerate(zip((query, key, value), dtypes)))
    m = None if given is None else mask(*given, torch.float32)
    m = m if kind is None else m.nan_to_num(0, 0, 0).to(getattr(torch, kind))
    try:
        F.scaled_dot_product_attention(q, k, v, m, **options)
    except Exception as e:  # noqa: BLE001
        return {"query": query, "key": key, "value": value, "dtypes": dtypes, **({"mask": given} if given else {}), **({"mask_dtype": kind} if kind else {}),
                "options": options, "class": type(e).__name__, "message": str(e).split("\n")[0]}
    raise AssertionError((query, key, value))


if __name__ == "__main__":
    torch.set_num_threads(1)
    plain = ([2, 3, 4], [2, 5, 4], [2, 5, 6])
    cases = [case(i, *c) for i, c in enumerate(CASES)] + [case(100 + i, *c, d) for d in ("float64", "float16", "bfloat16") for i, c in enumerate(HALF)]
    errors = [error(*c) for c in FAILING]
    errors.append(error(*plain, None, {}, ("float32", "float64", "float32")))
    errors.append(error(*plain, None, {}, ("int64",) * 3))
    errors.append(error(*plain, ["float", [3, 5]], {}, kind="int64"))
    errors.append(error(*plain, ["float", [3, 5]], {}, kind="float64"))
    with open(TARGET, "w", encoding="utf-8") as file:
        file.write('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + '\n],\n"errors": [\n' + ",\n".join(json.dumps(e) for e in errors) + "\n]}\n")
    print(TARGET, os.path.getsize(TARGET), "bytes")
