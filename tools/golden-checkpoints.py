"""Golden checkpoints, written by real PyTorch. Run with a Python that has PyTorch:

    python3 tools/golden-checkpoints.py       writes test/golden/checkpoints/

The files hold every kind of value that torch.load(weights_only=True) reads, in both formats and in all protocols of pickle
that PyTorch writes. `index.json.gz` describes what is in each file, tensors by the bytes of their storages, and which files are
refused and why. `resume.pt` and `resume.json` are a training that was stopped after 20 steps, and how it goes on.

How values are described (`describe` below): whole numbers as they are, others by the bytes of a float64, ints beyond 2^53 as text, tensors by
dtype, shape, strides, offset and the number of their storage, storages by their bytes.
"""
import gzip
import io
import json
import math
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections import Counter, OrderedDict

import torch
from torch import nn

OUT = os.path.join(os.path.dirname(__file__), "..", "test", "golden", "checkpoints")
ALL = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]
SAFE = 2**53


def looks_like_index(key):
    return key.isascii() and key.isdigit() and str(int(key)) == key


def describe(value, storages):
    """A value as JSON; `storages` collects the bytes of storages by their address."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        if isinstance(value, int) and abs(value) >= SAFE:
            return {"int": str(value)}
        if value != value:
            return {"number": "nan"}
        if math.isfinite(value) and value == int(value) and abs(value) < SAFE and (value != 0 or math.copysign(1, value) > 0):
            return int(value)  # JavaScript has one type of numbers
        return {"number": struct.pack("<d", value).hex()}
    if isinstance(value, str):
        return value
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        number = storages.setdefault(storage._cdata, (len(storages), storage))[0]
        return {
            "tensor": str(value.dtype),
            "shape": list(value.shape),
            "strides": list(value.stride()),
            "offset": value.storage_offset(),
            "storage": number,
            "requires_grad": value.requires_grad,
            "parameter": isinstance(value, nn.Parameter),
        }
    if isinstance(value, torch.Size):
        return {"torch.Size": [describe(v, storages) for v in value]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [describe(v, storages) for v in value]}
    if isinstance(value, set):
        return {"set": sorted((describe(v, storages) for v in value), key=json.dumps)}
    if isinstance(value, (bytes, bytearray)):
        return {type(value).__name__: bytes(value).hex()}
    if isinstance(value, dict):
        items = list(value.items())
        # Objects of JavaScript have keys that are indices, or look like them, first and in ascending order.
        if all(type(k) is int and 0 <= k < 2**32 - 1 for k in value):
            items.sort()
        elif all(type(k) is str for k in value):
            items.sort(key=lambda item: (0, int(item[0])) if looks_like_index(item[0]) else (1, 0))
        out = {type(value).__name__: [[describe(k, storages), describe(v, storages)] for k, v in items]}
        if hasattr(value, "_metadata"):
            out["_metadata"] = describe(value._metadata, storages)
        return out
    if isinstance(value, (torch.dtype, torch.device)):
        return {type(value).__name__: str(value)}
    raise AssertionError(type(value))


def bits(storage):
    return bytes(storage.tolist()).hex()


index = {"files": {}, "refused": {}}


def path(name):
    return os.path.join(OUT, name)


def record(name, options=None):
    """Describes a file by what PyTorch itself loads from it."""
    value = torch.load(path(name), weights_only=options is None, **(options or {}))
    storages = {}
    described = describe(value, storages)
    index["files"][name] = {"value": described, "storages": [bits(s) for _, s in storages.values()]}


def save(name, value, protocol=2, zip_format=True):
    torch.save(value, path(name), pickle_protocol=protocol, _use_new_zipfile_serialization=zip_format)
    # The restricted unpickler of PyTorch has no opcodes of protocols 3 to 5.
    record(name, None if protocol == 2 else {})


def both(name, value):
    save(f"{name}.pt", value)
    save(f"{name}.legacy.pt", value, zip_format=False)


def all_dtypes():
    out = {}
    for dtype in ALL:
        if dtype == torch.bool:
            out["bool"] = torch.tensor([[True, False, True]])
        elif dtype.is_floating_point:
            info = torch.finfo(dtype)
            out[str(dtype)] = torch.tensor(
                [0.0, -0.0, 1.5, -2.75, math.inf, -math.inf, math.nan, info.max, info.min, info.tiny, info.smallest_normal / 4],
                dtype=torch.float64,
            ).to(dtype)
        else:
            info = torch.iinfo(dtype)
            out[str(dtype)] = torch.tensor([0, 1, info.max, info.min, info.max - 1], dtype=dtype)
    out["scalar"] = torch.tensor(3.25)
    out["empty"] = torch.empty(0)
    out["empty with sizes"] = torch.empty(2, 0, 3, dtype=torch.int64)
    return out


def views():
    base = torch.arange(24, dtype=torch.float32)
    grid = base.view(2, 3, 4)
    images = torch.arange(2 * 3 * 2 * 2, dtype=torch.int16).view(2, 3, 2, 2)
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    return {
        "base": base,
        "view": grid,
        "transposed": grid.transpose(0, 2),
        "row": grid[1, 2],
        "steps": base[3:20:5],
        "column": grid[:, 1:2, 2],
        "expanded": base[5].expand(2, 3),
        "overlapping": base.as_strided((3, 3), (1, 1), 4),
        "channels last": images.contiguous(memory_format=torch.channels_last),
        "parameter": parameter,
        "same parameter": parameter,
        "part of it": parameter.data[1:],
        "frozen": nn.Parameter(torch.ones(1), requires_grad=False),
        "requires grad": torch.ones(2, requires_grad=True),
    }


def values():
    shared = [1, 2]
    return {
        "ints": [0, 1, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31), 2**31, 2**53 - 1, -(2**53) + 1],
        "big": [2**53, 2**63, -(2**63), 2**64 - 1, 10**40, -(10**40), 2**2000],
        "floats": [0.1, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 3.0],
        "texts": ["", "é", "日本", "😀", "\ud800", "a\0b", "x" * 300, "__proto__"],
        "constants": [None, True, False],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((1, (2,)),)],
        "sets": [{1, 2}, set(), {"a"}],
        "bytes": [b"ab\xff\x00", bytearray(b"xy")],
        "size": torch.Size([2, 3]),
        "no size": torch.Size([]),
        "dtypes": [torch.float32, torch.bfloat16, torch.bool],
        "devices": [torch.device("cpu"), torch.device("cuda", 1)],
        "shared": [shared, shared],
        "counter": Counter("abca"),
        "ordered": OrderedDict([("b", 1), ("a", OrderedDict())]),
        "int keys": {0: "a", 7: "b", 3: "c"},
        "digits": {"0": "a", "1": "b"},
        "mixed keys": {"0": 1, 0: 2, -1: 3, None: 4, 2**60: 5, 1.5: 6},
        "tuple keys": {(0, 1): "a"},
        "__proto__": {"__proto__": 1, "constructor": 2, "toString": None},
        "long list": [0] * 1500,
        "many keys": {f"k{i}": i for i in range(130)},
    }


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 16, 4))


def inputs(step, n=8):
    """Numbers that both languages make alike: no generator, exact in float32."""
    i = torch.arange(n * 16, dtype=torch.int64)
    images = ((i * 37 + step * 101) % 64).to(torch.float32) / 32 - 1
    labels = (torch.arange(n, dtype=torch.int64) * 7 + step * 3) % 4
    return images.view(n, 1, 4, 4), labels


def train(model, optimizer, steps, scheduler=None):
    losses = []
    for step in steps:
        images, labels = inputs(step)
        optimizer.zero_grad()
        # The label is in the picture, so that there is something to learn.
        loss = nn.functional.cross_entropy(model(images + labels.view(-1, 1, 1, 1) * 0.5), labels)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        losses.append(loss.item())
    return losses


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
}
SCHEDULERS = {
    "sgd": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5]),
    "adam": lambda o: torch.optim.lr_scheduler.StepLR(o, 2),
    "adamw": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10),
}


def optimizers():
    for name, make in OPTIMIZERS.items():
        model = network()
        optimizer = make(model.parameters())
        scheduler = SCHEDULERS.get(name, lambda o: None)(optimizer)
        train(model, optimizer, range(3), scheduler)
        state = {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        if scheduler is not None:
            state["scheduler"] = scheduler.state_dict()
        save(f"{name}.pt", state)
        # How training goes on from there.
        index["files"][f"{name}.pt"]["losses"] = train(model, optimizer, range(3, 6), scheduler)


def resume():
    """20 steps here, 20 steps in Kindling, 20 steps here again: the losses of a run without a break."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = train(model, optimizer, range(20))
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path("resume.pt"))
    losses += train(model, optimizer, range(20, 60))
    with open(path("resume.json"), "w") as f:
        json.dump({"losses": losses}, f)


def archives():
    value = {"x": torch.arange(6, dtype=torch.int32).view(2, 3), "y": torch.tensor([1.5, -2.0], dtype=torch.float64)}
    save("plain.pt", value)
    with zipfile.ZipFile(path("plain.pt")) as old, zipfile.ZipFile(path("deflated.pt"), "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info.filename))
    # PyTorch reads compressed archives too.
    record("deflated.pt")
    sizes = {"plain/data/0": 4, "plain/data/1": 8}
    with zipfile.ZipFile(path("plain.pt")) as old, zipfile.ZipFile(path("big-endian.pt"), "w") as new:
        for info in old.infolist():
            data = old.read(info.filename)
            if info.filename == "plain/byteorder":
                data = b"big"
            if info.filename in sizes:
                n = sizes[info.filename]
                data = b"".join(data[i : i + n][::-1] for i in range(0, len(data), n))
            new.writestr(info.filename, data)
    record("big-endian.pt")
    # A folder that is not called like the file, and no byteorder: PyTorch 1.6 to 2.0.
    with zipfile.ZipFile(path("plain.pt")) as old, zipfile.ZipFile(path("old.pt"), "w") as new:
        for info in old.infolist():
            if "byteorder" not in info.filename and "/." not in info.filename:
                new.writestr(info.filename.replace("plain/", "archive/"), old.read(info.filename))
    record("old.pt")


class LegacyView(pickle.Pickler):
    """Writes storages as parts of others, as PyTorch did before 0.4."""

    def __init__(self, file, views):
        super().__init__(file, protocol=2)
        self.views = views

    def persistent_id(self, obj):
        if not isinstance(obj, torch.storage.TypedStorage):
            return None
        key, view = self.views[obj._size()]
        return ("storage", torch.FloatStorage, key, "cpu", 10, view)


def legacy_views():
    a, b, c = torch.zeros(10), torch.zeros(4), torch.zeros(3)
    with open(path("storage-views.legacy.pt"), "wb") as f:
        pickle.dump(0x1950A86A20F9469CFC6C, f, protocol=2)
        pickle.dump(1001, f, protocol=2)
        pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, f, protocol=2)
        LegacyView(f, {10: ("7", None), 4: ("7", ("8", 2, 4)), 3: ("7", ("9", 7, 3))}).dump([a, b, c])
        pickle.dump(["7"], f, protocol=2)
        f.write(struct.pack("<q", 10) + struct.pack("<10f", *range(10)))
    # Not in the index: PyTorch makes a storage of each part, Kindling tensors with offsets into one.
    loaded = torch.load(path("storage-views.legacy.pt"))
    assert [x.tolist() for x in loaded] == [list(range(10)), [2, 3, 4, 5], [7, 8, 9]]
    loaded[0][3] = 30
    assert loaded[1].tolist() == [2, 30, 4, 5]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 1)


def refused():
    """Files that cannot be loaded, with the kind of error that Kindling has for them."""
    def add(name, error, words, value=None, **options):
        if value is not None:
            torch.save(value, path(name), **options)
        index["refused"][name] = {"error": error, "words": words}

    add("module.pt", "UnpicklingError", ["__main__.Net", "state_dict"], Net())
    add("layer.pt", "UnpicklingError", ["torch.nn.modules.linear.Linear", "state_dict"], nn.Linear(1, 1))
    add("layer.legacy.pt", "UnpicklingError", ["whole pickled module", "state_dict"], nn.Linear(1, 1), _use_new_zipfile_serialization=False)
    add("function.pt", "UnpicklingError", ["os.system" if os.name == "nt" else "posix.system"], {"f": os.system})
    add("complex-tensor.pt", "NotImplementedError", ["ComplexFloat"], torch.tensor([1 + 2j]))
    add("complex.pt", "NotImplementedError", ["complex"], 1j)
    add("sparse.pt", "NotImplementedError", ["sparse"], torch.eye(2).to_sparse())
    add("float8.pt", "NotImplementedError", ["float8_e4m3fn"], torch.zeros(2).to(torch.float8_e4m3fn))
    add("storage.pt", "NotImplementedError", ["FloatStorage"], torch.ones(2).storage())
    tag = torch.serialization.location_tag
    torch.serialization.location_tag = lambda storage: "cuda:1"
    add("cuda.pt", "RuntimeError", ["map_location"], torch.ones(2))
    torch.serialization.location_tag = tag
    torch.jit.save(torch.jit.script(nn.ReLU()), path("script.pt"))
    add("script.pt", "RuntimeError", ["TorchScript", "state_dict"])
    with tarfile.open(path("tar.pt"), "w") as tar:
        for name in ["storages", "tensors", "pickle"]:
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    os.truncate(path("tar.pt"), 3 * 1024)  # without the padding
    add("tar.pt", "RuntimeError", [".tar"])


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    both("dtypes", all_dtypes())
    both("views", views())
    both("values", values())
    some = {"state": nn.BatchNorm1d(1).state_dict(), "t": (1, [2.5, None]), "n": 2**70, "x": torch.arange(3), "s": "é", "b": b"\x00\xff", "set": {1}, "d": OrderedDict(a=torch.float64), "size": torch.Size([1])}
    for protocol in range(2, 6):
        save(f"protocol{protocol}.pt", some, protocol)
        save(f"protocol{protocol}.legacy.pt", some, protocol, zip_format=False)
    both("state-dict", network().state_dict())
    optimizers()
    resume()
    archives()
    legacy_views()
    refused()
    with open(path("index.json.gz"), "wb") as f:
        f.write(gzip.compress(json.dumps(index, separators=(",", ":")).encode(), 9, mtime=0))
    print(sum(os.path.getsize(path(n)) for n in os.listdir(OUT)), "bytes")


if __name__ == "__main__":
    main()
