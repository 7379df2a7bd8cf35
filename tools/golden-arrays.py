"""Writes test/golden/arrays.json: files as numpy and the package safetensors write them, and what is in them.

Run with a Python that has PyTorch, numpy and safetensors:  python tools/golden-arrays.py
"""
import base64
import io
import json
import pathlib

import numpy as np
import safetensors.torch as st
import torch

torch.manual_seed(0)
rng = np.random.default_rng(0)


def text(data):
    return base64.b64encode(data).decode()


def npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


def values(array):
    """The values in C order, as little-endian bytes of the type that a tensor has."""
    return text(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())


def entry(array, version=None):
    tensor_type = str(torch.from_numpy(np.zeros(1, array.dtype.newbyteorder("="))).dtype)[6:]
    data = npy(array, version)
    return {"file": text(data), "dtype": tensor_type, "shape": list(array.shape), "values": values(array)}


arrays = {}
base = (rng.standard_normal((2, 3, 4)) * 50).round(2)
for name in ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]:
    array = (base > 0) if name == "bool" else np.abs(base).astype(name) if name == "uint8" else base.astype(name)
    arrays[name] = entry(array)
    arrays[name + " fortran"] = entry(np.asfortranarray(array))
    if array.dtype.itemsize > 1:
        arrays[name + " big-endian"] = entry(array.astype(array.dtype.newbyteorder(">")))
        arrays[name + " big-endian fortran"] = entry(np.asfortranarray(array.astype(array.dtype.newbyteorder(">"))))
for version in [(1, 0), (2, 0), (3, 0)]:
    arrays["version %d" % version[0]] = entry(base.astype("float32"), version)
arrays["0-dimensional"] = entry(np.array(2.5))
arrays["empty"] = entry(np.zeros((3, 0, 2), "float32"))
arrays["one"] = entry(np.array([7]))
arrays["large int64"] = entry(np.array([2**62 + 1, -(2**63)]))
arrays["special"] = entry(np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]))

refused = {
    "object": text(npy(np.array([{"a": 1}], dtype=object))),
    "structured": text(npy(np.zeros(2, dtype=[("a", "<f4"), ("b", "<i2")]))),
    "structured version 3": text(npy(np.zeros(2, dtype=[("\u00e4\u4e00", "<f4")]), (3, 0))),
    "text": text(npy(np.array(["ab", "c"]))),
    "bytes": text(npy(np.array([b"ab"]))),
    "date": text(npy(np.array(["2020-01-01"], dtype="datetime64[D]"))),
    "complex128": text(npy(np.array([1 + 2j]))),
    "longdouble": text(npy(np.array([1], dtype=np.longdouble))),
    "uint16": text(npy(np.array([1], dtype=np.uint16))),
    "uint64": text(npy(np.array([1], dtype=np.uint64))),
}


def npz(save, **contents):
    out = io.BytesIO()
    save(out, **contents)
    return text(out.getvalue())


contents = {"weight": base.astype("float32"), "n": np.array(3), "a/b": np.asfortranarray(base > 0)}
archives = {
    "stored": npz(np.savez, **contents),
    "deflated": npz(np.savez_compressed, **contents),
    "large and regular": npz(np.savez_compressed, zeros=np.zeros(100_000, "float32")),
}
positional = io.BytesIO()
np.savez(positional, np.arange(3), np.arange(2))

tensors = {str(d)[6:]: (torch.arange(4).reshape(2, 2) * 37).to(d) for d in [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64]}
tensors |= {"\U0001f600": torch.ones(1), "\uffee": torch.zeros(1), "\u00e9\"\\\n\u0001\x7f/": torch.zeros(0, 3), "scalar": torch.tensor(2.5),
            "10": torch.ones(2), "9": torch.ones(3)}

out = {
    "arrays": arrays,
    "refused": refused,
    "archives": archives,
    "archive": {name: entry(array) for name, array in contents.items()},
    "positional": text(positional.getvalue()),
    "safetensors": text(st.save(tensors, {"note": "\u00fc\"\n\u0001\x7f/"})),
}
path = pathlib.Path(__file__).parent.parent / "test" / "golden" / "arrays.json"
path.write_text(json.dumps(out, indent=1) + "\n")
