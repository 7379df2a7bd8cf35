"""How golden tensors and arguments are written down. Shared by the golden-*.py scripts.

A golden file is gzip of: uint32 length of the index, the index (JSON, UTF-8), zero bytes up to a multiple of 8, the blob.
The blob holds the raw little-endian bytes of all tensors, each starting at a multiple of 8, equal byte strings once.

A value in the index is one of
  1, true, null, "text", [..]     Python int, bool, None, str, list or tuple
  {"int": "9223372036854775807"}  an int beyond 2**53
  {"float": 0.5}                  a float; "nan", "inf", "-inf" and "-0" as text
  {"dtype": "float32"}  {"slice": [a, b, c]}  {"ellipsis": true}  {"dict": {..}}
  {"t": "float32", "shape": [2, 3], "at": 0, "n": 6}   a tensor: n elements of the blob from byte `at`
      and, when it is not contiguous from its first element: "strides", "offset" (both in elements);
      "grad": true where it requires a gradient
"""
import ctypes
import gzip
import io
import json
import math
import struct

import torch

DTYPES = {
    "bool": torch.bool, "uint8": torch.uint8, "int8": torch.int8, "int16": torch.int16, "int32": torch.int32,
    "int64": torch.int64, "float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32,
    "float64": torch.float64,
}
NAMES = {d: n for n, d in DTYPES.items()}


class Unsupported(Exception):
    """The value has no golden form (complex, sparse, a callable ..)."""


class Blob:
    """The bytes of a golden file."""

    def __init__(self):
        self.out = io.BytesIO()
        self.seen = {}

    def add(self, data: bytes) -> int:
        if data in self.seen:
            return self.seen[data]
        at = self.out.tell()
        self.out.write(data)
        self.out.write(b"\0" * (-len(data) % 8))
        self.seen[data] = at
        return at


def flat_bytes(tensor, start, count):
    """`count` elements of the tensor's storage from element `start`."""
    if count == 0:
        return b""
    size = tensor.element_size()
    return ctypes.string_at(tensor.untyped_storage().data_ptr() + start * size, count * size)


def encode_tensor(tensor, blob, values=True):
    if tensor.dtype not in NAMES or tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise Unsupported(f"tensor {tensor.dtype} {tensor.layout}")
    entry = {"t": NAMES[tensor.dtype], "shape": list(tensor.shape)}
    requires_grad = tensor.requires_grad
    tensor = tensor.detach().resolve_conj().resolve_neg()
    count = tensor.numel()
    if requires_grad:
        entry["grad"] = True
    if not values:
        return {**entry, "novalue": True}
    if count == 0 or tensor.is_contiguous():
        tensor = tensor.contiguous()
        return {**entry, "at": blob.add(flat_bytes(tensor, tensor.storage_offset(), count)), "n": count}
    span = 1 + sum((s - 1) * st for s, st in zip(tensor.shape, tensor.stride()))
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    start, offset, length = tensor.storage_offset(), 0, span
    if stored <= 4 * count + 16:
        start, offset, length = 0, tensor.storage_offset(), stored
    entry.update(strides=list(tensor.stride()), offset=offset)
    return {**entry, "at": blob.add(flat_bytes(tensor, start, length)), "n": length}


def encode(value, blob):
    """The index form of an argument or a result."""
    if isinstance(value, torch.Tensor):
        return encode_tensor(value, blob)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, torch.dtype):
        if value not in NAMES:
            raise Unsupported(str(value))
        return {"dtype": NAMES[value]}
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, int):
        return int(value) if abs(value) <= 2**53 else {"int": str(int(value))}
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return {"float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
        return {"float": "-0" if value == 0 and math.copysign(1, value) < 0 else value}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, dict):
        return {"dict": {k: encode(v, blob) for k, v in value.items()}}
    if isinstance(value, (list, tuple, torch.Size)):
        return [encode(v, blob) for v in value]
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return encode(value.item(), blob)
    raise Unsupported(type(value).__name__)


def decode(value, data, whole_floats_as_ints=False):
    """The value of an index form; every call makes fresh tensors."""
    def walk(v):
        if isinstance(v, list):
            return [walk(x) for x in v]
        if not isinstance(v, dict):
            return v
        if "t" in v:
            dtype = DTYPES[v["t"]]
            count = v["n"]
            if count == 0:
                flat = torch.empty(0, dtype=dtype)
            else:
                size = torch.empty(0, dtype=dtype).element_size()
                flat = torch.frombuffer(bytearray(data[v["at"]: v["at"] + count * size]), dtype=dtype)
            if "strides" in v:
                tensor = flat.as_strided(v["shape"], v["strides"], v["offset"])
            else:
                tensor = flat.reshape(v["shape"])
            return tensor.requires_grad_() if v.get("grad") else tensor
        if "int" in v:
            return int(v["int"])
        if "float" in v:
            f = float(v["float"])
            if whole_floats_as_ints and math.isfinite(f) and f == int(f):
                return int(f)
            return f
        if "dtype" in v:
            return DTYPES[v["dtype"]]
        if "slice" in v:
            return slice(*v["slice"])
        if "ellipsis" in v:
            return Ellipsis
        if "dict" in v:
            return {k: walk(x) for k, x in v["dict"].items()}
        raise AssertionError(v)
    return walk(value)


def upstream(tensor, index=0):
    """The gradient that flows into output number `index`: exact in every floating-point dtype, both signs, zeros too."""
    flat = torch.arange(tensor.numel(), dtype=torch.float64)
    return (((flat * 5 + index * 3) % 17 - 8) / 8).reshape(tensor.shape).to(tensor.dtype)


def write_golden(path, index, blob):
    head = json.dumps(index, separators=(",", ":"), allow_nan=False).encode()
    body = struct.pack("<I", len(head)) + head
    body += b"\0" * (-len(body) % 8) + blob.out.getvalue()
    with open(path, "wb") as f:
        f.write(gzip.compress(body, 9, mtime=0))
    return len(body)
