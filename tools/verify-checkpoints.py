"""Reads checkpoints that Kindling wrote, with torch.load(weights_only=True), and compares them with what they should hold. Run with
a Python that has PyTorch:

    node test/serialization/written.ts FOLDER
    python3 tools/verify-checkpoints.py FOLDER      writes test/golden/checkpoints-verified.json

The file written holds the sha256 of each verified checkpoint: the test suite compares them with what Kindling writes now.
Then the training in resume.pt, whose first 20 steps PyTorch made and the next 20 Kindling, goes on for 20 steps: the losses are
those of a training without a break (test/golden/checkpoints/resume.json).
"""
import hashlib
import importlib.util
import json
import math
import os
import sys
import zipfile
from collections import OrderedDict

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "test", "golden")
spec = importlib.util.spec_from_file_location("golden", os.path.join(HERE, "golden-checkpoints.py"))
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


def same(a, b, where=""):
    """Throws unless the values are equal to the bit and of the same types."""
    assert type(a) is type(b), (where, type(a), type(b))
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape, (where, a, b)
        assert a.requires_grad == b.requires_grad, where
        size = a.element_size()
        integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[size]
        assert torch.equal(a.detach().contiguous().view(integers), b.detach().contiguous().view(integers)), (where, a, b)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{where}[{i}]")
    elif isinstance(a, dict):
        assert list(a) == list(b) and [type(k) for k in a] == [type(k) for k in b], (where, list(a), list(b))
        for key in a:
            same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, float):
        assert a == b and math.copysign(1, a) == math.copysign(1, b) or a != a and b != b, (where, a, b)
    else:
        assert a == b, (where, a, b)


def dtypes():
    out = {}
    for dtype in golden.ALL:
        if dtype == torch.bool:
            out[str(dtype)] = torch.tensor([True, False, True])
        elif dtype.is_floating_point:
            out[str(dtype)] = torch.tensor([0, -0.0, 1.5, -2.75, math.inf, -math.inf, math.nan, 2**-14], dtype=dtype)
        else:
            info = torch.iinfo(dtype)
            out[str(dtype)] = torch.tensor([0, 1, info.max, info.min], dtype=dtype)
    out["scalar"] = torch.tensor(3.25)
    out["empty"] = torch.empty(0)
    out["empty with sizes"] = torch.empty(2, 0, 3, dtype=torch.int64)
    return out


def check_views(x):
    base = torch.arange(24, dtype=torch.float32)
    expected = {
        "base": base,
        "transposed": base.view(2, 3, 4).transpose(0, 2),
        "row": base[5:9],
        "expanded": base[5:6].expand(2, 3),
        "overlapping": base.as_strided((3, 3), (1, 1), 4),
    }
    storage = x["base"].untyped_storage()._cdata
    for name, view in expected.items():
        same(x[name], view, name)
        assert x[name].stride() == view.stride() and x[name].storage_offset() == view.storage_offset(), name
        assert x[name].untyped_storage()._cdata == storage, name
    assert type(x["parameter"]) is nn.Parameter and x["parameter"] is x["same_parameter"]
    assert x["parameter"].tolist() == [1, 2] and x["parameter"].requires_grad
    assert type(x["frozen"]) is nn.Parameter and not x["frozen"].requires_grad
    assert type(x["requires_grad"]) is torch.Tensor and x["requires_grad"].requires_grad and x["requires_grad"].is_leaf


def values():
    shared = [1, 2]
    return {
        "ints": [0, 1, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31), 2**31, 2**53 - 1, -(2**53) + 1],
        "big": [2**53, 2**63, -(2**63), 2**64 - 1, 10**40, -(10**40), 2**2000, -128, -129, 0],
        "floats": [0.1, -0.0, math.inf, -math.inf, math.nan, 5e-324, sys.float_info.max, float(2**60)],
        "texts": ["", "é", "日本", "😀", "\ud800", "a\0b", "x" * 300, "__proto__"],
        "constants": [None, True, False],
        "sets": [{1, 2}, set(), {"a"}],
        "bytes": [b"ab\xff\x00", b""],
        "dtypes": golden.ALL,
        "devices": [torch.device("cpu"), torch.device("cuda", 1)],
        "shared": [shared, shared],
        "int_keys": {0: "a", 3: "c", 7: "b"},
        "digits": {"0": "a", "1": "b"},
        "mixed_keys": {"0": 1, 0: 2, -1: 3, None: 4, 2**60: 5, 1.5: 6, (0, 1): 7},
        "proto": {"__proto__": 1},
        "long_list": list(range(2500)),
        "many_keys": {f"k{i}": i for i in range(1300)},
        "nested": [[[{"a": []}]]],
    }


def check_values(x):
    same(x, values())
    assert x["shared"][0] is x["shared"][1]


def check_state_dict(x):
    expected = golden.network().state_dict()
    same(x, expected)
    assert type(x) is OrderedDict and dict(x._metadata) == dict(expected._metadata), (x._metadata, expected._metadata)
    golden.network().load_state_dict(x)


def check_list_keys(x):
    same(OrderedDict(x), OrderedDict([("0", torch.ones(1)), ("1", torch.zeros(2))]))
    nn.ParameterList([torch.zeros(1), torch.ones(2)]).load_state_dict(x)


def check_optimizers(x):
    makers = {
        "sgd": lambda p: torch.optim.SGD(p, lr=1, momentum=0.5),
        "adam": lambda p: torch.optim.Adam(p, lr=0.5, betas=(0.5, 0.75), amsgrad=True),
        "adamw": lambda p: torch.optim.AdamW([{"params": [p[0]], "lr": 0.25}, {"params": [p[1]]}]),
    }
    for name, make in makers.items():
        parameters = [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.zeros(3))]
        optimizer = make(parameters)
        for p in parameters:
            p.grad = torch.full_like(p, 2)
        optimizer.step()
        expected = optimizer.state_dict()
        assert list(x[name]["state"]) == list(expected["state"]), (name, list(x[name]["state"]))
        for key, state in expected["state"].items():
            same(x[name]["state"][key], state, f"{name}.state.{key}")
        for ours, theirs in zip(x[name]["param_groups"], expected["param_groups"]):
            for key, value in theirs.items():
                # A whole number is an int in what JavaScript writes.
                assert ours[key] == value and isinstance(value, tuple) == isinstance(ours[key], tuple), (name, key, ours[key], value)
        other = make([nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.zeros(3))])
        other.load_state_dict(x[name])
        for group in other.param_groups:
            for p in group["params"]:
                p.grad = torch.ones_like(p)
        other.step()


def check_schedulers(x):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [100])
    scheduler.load_state_dict(x["multistep"])
    optimizer.step()
    rates = []
    for _ in range(6):
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
    assert all(math.isclose(a, b) for a, b in zip(rates, [0.5, 0.05, 0.05, 0.05, 0.0005, 0.0005])), rates
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 100)
    scheduler.load_state_dict(x["step"])
    assert scheduler.step_size == 3 and scheduler.base_lrs == [0.5]


CHECKS = {
    "dtypes.pt": lambda x: same(x, dtypes()),
    "views.pt": check_views,
    "values.pt": check_values,
    "state-dict.pt": check_state_dict,
    "list-keys.pt": check_list_keys,
    "optimizers.pt": check_optimizers,
    "schedulers.pt": check_schedulers,
}


def check_archive(path):
    """Checksums, and the alignment that PyTorch's mmap relies on."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None, path
    torch.load(path, mmap=True)


def check_resume(path):
    saved = torch.load(path)
    model = golden.network()
    model.load_state_dict(saved["model"])
    optimizer = torch.optim.Adam(model.parameters(), lr=1)
    optimizer.load_state_dict(saved["optimizer"])
    losses = golden.train(model, optimizer, range(40, 60))
    with open(os.path.join(GOLDEN, "checkpoints", "resume.json")) as f:
        expected = json.load(f)["losses"][40:]
    worst = max(abs(a - b) / b for a, b in zip(losses, expected))
    assert worst < 1e-3, (losses, expected)
    return worst


def main():
    folder = sys.argv[1]
    hashes = {}
    for name, check in CHECKS.items():
        path = os.path.join(folder, name)
        check(torch.load(path, weights_only=True))
        check_archive(path)
        with open(path, "rb") as f:
            hashes[name] = hashlib.sha256(f.read()).hexdigest()
        print(name, "ok")
    print(f"resume.pt: losses differ by {check_resume(os.path.join(folder, 'resume.pt')):.1e} at most")
    with open(os.path.join(GOLDEN, "checkpoints-verified.json"), "w") as f:
        json.dump({"torch": torch.__version__.split("+")[0], "sha256": hashes}, f, indent=2)
        f.write("\n")


if __name__ == "__main__":
    main()
