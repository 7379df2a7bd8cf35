"""Resized bytes, to the bit: PyTorch's fixed-point arithmetic on uint8 images. Run with a Python that has PyTorch:

    python3 tools/golden-resize.py        writes test/nn/golden-resize.json

[{"shape": input [N, C, H, W], "options": of F.interpolate, "out": shape, "sha256": of the bytes}]
Inputs are (i · 7919) mod 251 in row-major order.
"""
import hashlib
import json
import os

import torch
import torch.nn.functional as F

TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "nn", "golden-resize.json")
SHAPES = [((1, 3, 20, 33), (7, 5)), ((2, 1, 5, 7), (13, 64)), ((1, 4, 8, 8), (8, 3)), ((1, 6, 13, 2), (2, 13)), ((1, 3, 64, 48), (224, 224)),
          ((1, 3, 1, 7), (3, 2))]


def main():
    cases = []
    for shape, size in SHAPES:
        count = torch.Size(shape).numel()
        x = (torch.arange(count) * 7919 % 251).to(torch.uint8).reshape(shape)
        modes = [{"mode": "nearest"}, {"mode": "nearest-exact"}, {"mode": "lanczos", "antialias": True}]
        modes += [{"mode": m, "align_corners": c, "antialias": a} for m in ("bilinear", "bicubic") for c in (False, True) for a in (False, True)]
        for mode in modes:
            for target in ({"size": list(size)}, {"scale_factor": [s / t * 1.03 for s, t in zip(size, shape[2:])]}):
                out = F.interpolate(x, **mode, **target)
                digest = hashlib.sha256(out.contiguous().numpy().tobytes()).hexdigest()
                cases.append({"shape": shape, "options": {**mode, **target}, "out": list(out.shape), "sha256": digest})
    with open(TARGET, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


main()
