"""Writes test/golden/weights.json: what torchvision says about the pretrained weights of its classification models.

Run with a Python that has torchvision:  python tools/golden-weights.py
"""
import hashlib
import json
import math
import pathlib

from torchvision import models


def plain(value):
    """Values that JSON has: NaN becomes None, and whole floats integers, as JavaScript writes them."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value == int(value) else value
    return list(value) if isinstance(value, tuple) else value


def describe(member):
    preset = member.transforms()
    categories = member.meta["categories"]
    meta = {key: plain(v) for key, v in member.meta.items() if key not in ("categories", "_docs")}
    return {
        "url": member.url,
        "transforms": [preset.crop_size[0], preset.resize_size[0], preset.mean, preset.std,
                       preset.interpolation.value, preset.antialias],
        "categories": categories and hashlib.sha256("\n".join(categories).encode()).hexdigest()[:16],
        "meta": dict(sorted(meta.items())),
    }


out = {}
for name in models.list_models(models):
    weights = models.get_model_weights(name)
    out[name] = {
        "class": weights.__name__,
        "members": {member.name: describe(member) for member in weights},
        "DEFAULT": weights.DEFAULT.name,
    }
path = pathlib.Path(__file__).parent.parent / "test" / "golden" / "weights.json"
lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in out.items()]
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
