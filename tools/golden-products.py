"""Writes test/ops/golden-products.json: the errors of PyTorch's matrix products in float32.

    python3 tools/golden-products.py

Each row is [m, n, k, form, seed, error]: of torch.randn(m, k) and torch.randn(k, n) after torch.manual_seed(seed)
(transposed ones where the form has a T), the root mean square of the error of `torch.mm` over that of the exact
elements in float64.
"""

import json
import pathlib

import torch

torch.set_num_threads(1)
ROWS = [
    (64, 64, 64), (100, 100, 100), (256, 256, 256), (33, 70, 2000), (16, 100, 150), (32, 10, 128), (197, 768, 768),
    (1, 3000, 1500), (4, 120, 400), (1, 64, 4096), (300, 1, 4096), (6, 2100, 300),
]


def operand(form, rows, columns, dtype):
    if form == "T":
        return torch.randn(columns, rows, dtype=dtype).t()
    return torch.randn(rows, columns, dtype=dtype)


rows = []
for seed, (m, n, k) in enumerate(ROWS):
    for form in ("NN", "NT", "TN"):
        torch.manual_seed(seed)
        a = operand(form[0], m, k, torch.float32)
        b = operand(form[1], k, n, torch.float32)
        exact = a.double() @ b.double()
        error = ((a @ b).double() - exact).square().mean().sqrt() / exact.square().mean().sqrt()
        rows.append([m, n, k, form, seed, float(f"{error.item():.3g}")])
path = pathlib.Path(__file__).parent.parent / "test" / "ops" / "golden-products.json"
path.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")
