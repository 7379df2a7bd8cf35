"""What torchvision's models give: initial weights, logits, gradients, losses of training steps. For test/vision/models.

Run with a Python that has PyTorch and torchvision, from the project's folder:

    python tools/golden-models.py [CASE ...]     writes test/golden/models/CASE.json.gz, for all cases by default
    python tools/golden-models.py --keys         writes test/golden/models/keys.json, for all models
"""

import base64
import gzip
import hashlib
import json
import pathlib
import sys
import zlib

import torch
import torchvision

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "test/golden/models"
models = torchvision.models
# Models that Kindling does not have.
NOT_THERE = ["maxvit_t"]


def floats(tensor):
    return base64.b64encode(tensor.detach().contiguous().float().numpy().tobytes()).decode()


def described(model):
    """One line for each entry of the state dict."""
    return [f"{k} {list(v.shape)} {str(v.dtype)[6:]}" for k, v in model.state_dict().items()]


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def weights_of(model):
    """For each tensor of the state dict the CRC of its bytes, its sum and its absolute sum."""
    rows = []
    for value in model.state_dict().values():
        wide = value.double()
        rows.append([zlib.crc32(value.contiguous().numpy().tobytes()), wide.sum().item(), wide.abs().sum().item()])
    return rows


def outputs_of(result):
    """The main output first, then what auxiliary classifiers give."""
    if isinstance(result, torch.Tensor):
        return [result]
    named = result._asdict()
    main = named.pop("logits")
    return [main, *[v for v in named.values() if v is not None]]


def loss_of(model, x, labels):
    main, *others = outputs_of(model(x))
    loss = torch.nn.functional.cross_entropy(main, labels)
    for other in others:
        loss = loss + 0.4 * torch.nn.functional.cross_entropy(other, labels)
    return loss


def run(case):
    torch.manual_seed(0)
    model = getattr(models, case["model"])(**case.get("options", {}))
    golden = {
        "state": described(model),
        "weights": weights_of(model),
        "repr": digest(repr(model)),
    }
    torch.manual_seed(1)
    x = torch.rand(case["input"])
    labels = torch.randint(0, case.get("classes", 10), [case["input"][0]])
    with torch.no_grad():
        golden["logits"] = floats(model.eval()(x))
    model.train()
    # Where float32 itself is more than 1e-3 away from float64, as batch norms over few elements make it.
    if case.get("double") is True:
        model, x = model.double(), x.double()
    torch.manual_seed(2)
    loss_of(model, x, labels).backward()
    golden["gradients"] = [
        None if p.grad is None else [p.grad.double().norm().item(), p.grad.flatten()[:3].tolist()] for p in model.parameters()
    ]
    if case.get("double") == "steps":
        model, x = model.double(), x.double()
    optimizer = torch.optim.SGD(model.parameters(), lr=case.get("lr", 0.01), momentum=0.9)
    golden["losses"] = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = loss_of(model, x, labels)
        golden["losses"].append(loss.item())
        loss.backward()
        optimizer.step()
    return golden


def keys():
    table = {}
    for name in models.list_models(module=models, exclude=NOT_THERE):
        kwargs = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        try:
            with torch.device("meta"):
                model = models.get_model(name, **kwargs)
        except NotImplementedError:
            # A few read a value while they are made.
            model = models.get_model(name, **kwargs)
        count = sum(p.numel() for p in model.parameters())
        table[name] = {"state": digest("\n".join(described(model))), "repr": digest(repr(model)), "parameters": count}
    return table


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:] == ["--keys"]:
        (OUT / "keys.json").write_text(json.dumps(keys(), indent=1) + "\n")
        return
    cases = json.loads((ROOT / "test/vision/models/cases.json").read_text())
    for name in sys.argv[1:] or cases:
        text = json.dumps(run(cases[name]))
        with open(OUT / f"{name}.json.gz", "wb") as file:
            # No time stamp: the same data gives the same file.
            file.write(gzip.compress(text.encode(), 9, mtime=0))
        print(name)


main()
