"""Texts, initial values and errors of PyTorch's layers. Run with a Python that has PyTorch:

    python3 tools/golden-modules.py        writes test/nn/golden-repr.json

{"layers": [{"name", "parameters": [names in order], "positional": how many of them may go by position,
             "cases": [{"args", "kwargs", "repr", "state": {name: [dtype, shape, start of the SHA-256 of the bytes]},
                        "inputs": [[kind, shape]], "outputs": {"train" and "eval": [for each result: [shape, sum, weighted sum]]}}]}],
 "errors": [{"name", "args", "kwargs", "error", "message"}],
 "nested": {name: text}}

Inputs are made by `value`, the weights of the sums by `weigh`; the generator is seeded again before each call.
Initial values are those after torch.manual_seed(7). Messages end before the first set, whose order changes from run to run.
"""
import hashlib
import inspect
import json
import os
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")
TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "nn", "golden-repr.json")


def case(*args, **kwargs):
    return args, kwargs


CONV = [case(3, 6, 5), case(4, 6, 3, 2, 1, 2, 2, False, "circular"), case(4, 8, 3, padding="same", dilation=2, groups=4),
        case(2, 3, 2, padding="valid", stride=2), case(2, 3, 1, padding=1, padding_mode="reflect", bias=False)]
TRANSPOSE = [case(3, 6, 5), case(4, 6, 3, 2, 1, 1, 2, False, 3), case(4, 8, 3, stride=3, output_padding=2, groups=4, dilation=3)]
NORM = [case(4), case(3, 0.001, None, False, False), case(3, momentum=0.2, track_running_stats=True), case(2, affine=True, bias=False)]
MAXPOOL = [case(2), case(3, 2, 1, 1, True, True), case(3, stride=1, dilation=2, ceil_mode=True)]
AVGPOOL = [case(2), case(3, 2, 1, True, False), case(3, padding=1, count_include_pad=False)]
INPLACE = [case(), case(True), case(inplace=True)]
DIM = [case(), case(1), case(dim=-1)]
DROPOUT = [case(), case(0.2), case(0.25, True), case(p=0.75), case(inplace=True)]
PLAIN = [case()]
REDUCTION = [case(), case(reduction="sum")]

LAYERS = {
    "Identity": PLAIN,
    "Linear": [case(4, 5), case(4, 5, False), case(in_features=1, out_features=2, bias=True)],
    "Bilinear": [case(2, 3, 4), case(2, 3, 4, bias=False)],
    "Conv1d": CONV, "Conv2d": CONV + [case(1, 4, (3, 2), (2, 1), (1, 0), (1, 2)), case(2, 4, (1, 2), padding=(0, 1), padding_mode="replicate")],
    "Conv3d": CONV + [case(1, 2, (3, 2, 1), padding=(0, 1, 2))],
    "ConvTranspose1d": TRANSPOSE, "ConvTranspose2d": TRANSPOSE + [case(2, 3, (2, 3), (1, 2), output_padding=(0, 1))], "ConvTranspose3d": TRANSPOSE,
    "MaxPool1d": MAXPOOL, "MaxPool2d": MAXPOOL + [case((2, 3), (1, 2), (0, 1))], "MaxPool3d": MAXPOOL,
    "AvgPool1d": AVGPOOL, "AvgPool2d": AVGPOOL + [case((2, 3), divisor_override=5)], "AvgPool3d": AVGPOOL,
    "AdaptiveAvgPool1d": [case(3)], "AdaptiveAvgPool2d": [case(3), case((2, None))], "AdaptiveAvgPool3d": [case((1, 2, 3))],
    "AdaptiveMaxPool1d": [case(3), case(3, True)], "AdaptiveMaxPool2d": [case((3, None), return_indices=True)], "AdaptiveMaxPool3d": [case(2)],
    "BatchNorm1d": NORM, "BatchNorm2d": NORM, "BatchNorm3d": NORM, "InstanceNorm1d": NORM, "InstanceNorm2d": NORM, "InstanceNorm3d": NORM,
    "LayerNorm": [case(4), case((3, 4), 0.01, False), case([2, 3], elementwise_affine=True, bias=False)],
    "GroupNorm": [case(2, 6), case(3, 6, 0.01, False), case(1, 2, bias=False)],
    "RMSNorm": [case(4), case((3, 4), 0.01, False), case(2, eps=1e-6)],
    "LocalResponseNorm": [case(2), case(3, 0.001, 0.5, 2.5)],
    "Dropout": DROPOUT, "Dropout1d": DROPOUT, "Dropout2d": DROPOUT, "Dropout3d": DROPOUT, "AlphaDropout": DROPOUT, "FeatureAlphaDropout": DROPOUT,
    "ReLU": INPLACE, "ReLU6": INPLACE, "SELU": INPLACE, "SiLU": INPLACE, "Mish": INPLACE, "Hardsigmoid": INPLACE, "Hardswish": INPLACE,
    "Sigmoid": PLAIN, "LogSigmoid": PLAIN, "Tanh": PLAIN, "Tanhshrink": PLAIN, "Softsign": PLAIN, "Softmax2d": PLAIN,
    "ELU": [case(), case(0.5), case(2, True)], "CELU": [case(), case(0.5), case(inplace=True)],
    "LeakyReLU": [case(), case(0.2, True), case(negative_slope=0.3)], "RReLU": [case(), case(0.1, 0.25, True)],
    "Hardtanh": [case(), case(-2, 0.5), case(max_val=3, inplace=True)], "Threshold": [case(0.1, 20), case(0.1, 0.5, True)],
    "Softplus": [case(), case(2, 0.5)], "Hardshrink": [case(), case(0.25)], "Softshrink": [case(), case(0.25)],
    "GELU": [case(), case("tanh")], "GLU": [case(), case(0)], "Softmax": DIM, "LogSoftmax": DIM, "Softmin": DIM,
    "PReLU": [case(), case(3, 0.5)],
    "Embedding": [case(5, 3), case(5, 3, 2), case(5, 3, -1, 1.5, 2.5, True), case(4, 2, max_norm=0.5, norm_type=1)],
    "Flatten": [case(), case(0, 2)], "Unflatten": [case(1, (2, 3)), case(dim=-1, unflattened_size=(2, -1))],
    "CosineSimilarity": [case(), case(0, 0.1)], "PairwiseDistance": [case(), case(1.5, 0.1, True)],
    **{f"{kind}Pad{n}d": [case(2), case(tuple(range(1, 2 * n + 1)))] for kind in ("Reflection", "Replication", "Circular", "Zero") for n in (1, 2, 3)},
    **{f"ConstantPad{n}d": [case(2, 3.5), case(tuple(range(1, 2 * n + 1)), value=-1)] for n in (1, 2, 3)},
    "Upsample": [case(scale_factor=2), case((3, 5), mode="bilinear"), case(scale_factor=(1.5, 2), mode="bicubic", align_corners=True)],
    "UpsamplingNearest2d": [case(scale_factor=2), case((3, 5))], "UpsamplingBilinear2d": [case(scale_factor=2), case((3, 5))],
    "Fold": [case((4, 5), 2), case((4, 4), (2, 1), padding=(0, 1), stride=(1, 2))],
    "Unfold": [case(2), case((2, 3), 2, 1, (1, 2)), case(3, dilation=2, padding=2)],
    "PixelShuffle": [case(2)], "PixelUnshuffle": [case(2)], "ChannelShuffle": [case(2)], "CrossMapLRN2d": [case(3), case(5, 0.5, 0.5, 2.5), case(4, alpha=0.1)],
    "MaxUnpool1d": [case(2), case(3, 2, 1)], "MaxUnpool2d": [case(2), case((3, 2), stride=(2, 1), padding=1)], "MaxUnpool3d": [case(2), case(3, 2, 1)],
    "LPPool1d": [case(2, 3), case(4, 2, 1, True)], "LPPool2d": [case(2, 3), case(4, (2, 3), stride=2, ceil_mode=True)], "LPPool3d": [case(2, 2)],
    "FractionalMaxPool2d": [case(2, 3), case((2, 3), output_ratio=(0.5, 0.6), return_indices=True)],
    "FractionalMaxPool3d": [case(2, output_size=3), case((2, 3, 1), output_ratio=(0.5, 0.6, 0.7))],
    "EmbeddingBag": [case(5, 3), case(5, 3, None, 2, False, "sum"), case(5, 3, mode="max", padding_idx=-3), case(5, 3, 0.5, 1.5, True)],
    "AdaptiveLogSoftmaxWithLoss": [case(8, 10, [2, 3]), case(16, 12, (1, 2, 7), 2, True), case(8, 9, [5], div_value=3)],
    "LinearCrossEntropyLoss": [case(4, 6), case(4, 4, bias=True, reduction="sum", label_smoothing=0.1)],
    "CTCLoss": [case(), case(1, "sum", True)], "SyncBatchNorm": NORM,
    **{f"{kind}Cell": [case(4, 5), case(4, 5, False), case(input_size=2, hidden_size=3)] for kind in ("RNN", "GRU", "LSTM")},
    "RNN": [case(4, 5), case(4, 5, 2, "relu", False, True, 0.25, True)], "GRU": [case(4, 5), case(4, 5, 2, False, True, 0.25, True)],
    "LSTM": [case(4, 5), case(4, 5, 2, False, True, 0.25, True, 3), case(4, 5, proj_size=2, bidirectional=True)],
    "L1Loss": REDUCTION, "MSELoss": REDUCTION, "SmoothL1Loss": REDUCTION + [case(beta=0.5)], "HuberLoss": [case(), case("sum", 0.5)],
    "NLLLoss": REDUCTION + [case(ignore_index=3)], "CrossEntropyLoss": REDUCTION + [case(label_smoothing=0.1)], "BCELoss": REDUCTION,
    "BCEWithLogitsLoss": REDUCTION, "KLDivLoss": REDUCTION + [case(reduction="batchmean", log_target=True)],
    "PoissonNLLLoss": REDUCTION + [case(False, True)], "GaussianNLLLoss": [case(), case(full=True, eps=0.1)], "HingeEmbeddingLoss": REDUCTION + [case(0.5)],
    "MarginRankingLoss": REDUCTION, "CosineEmbeddingLoss": REDUCTION, "SoftMarginLoss": REDUCTION, "MultiMarginLoss": REDUCTION + [case(2, 0.5)],
    "MultiLabelMarginLoss": REDUCTION, "MultiLabelSoftMarginLoss": REDUCTION, "TripletMarginLoss": REDUCTION + [case(0.5, 1.5, 0.1, True)],
    "TripletMarginWithDistanceLoss": REDUCTION + [case(margin=0.5, swap=True)],
}

ERRORS = [
    ("Linear", case(3)), ("Linear", case()), ("Linear", case(3, 4, foo=2)), ("Bilinear", case(0, 2, 3)),
    ("Conv2d", case(3, 4)), ("Conv2d", case(3, 4, 3, padding="foo")), ("Conv2d", case(3, 4, 3, 2, padding="same")), ("Conv2d", case(3, 4, 3, groups=2)),
    ("Conv2d", case(2, 3, 3, groups=2)), ("Conv2d", case(2, 2, 3, groups=0)), ("ConvTranspose2d", case(2, 2, 3, padding_mode="reflect")),
    ("Dropout", case(1.5)), ("Dropout", case(-0.5)), ("Embedding", case(3, 4, padding_idx=3)), ("Embedding", case(3, 4, padding_idx=-4)),
    ("GroupNorm", case(2, 3)), ("MultiMarginLoss", case(3)), ("TripletMarginLoss", case(-0.5)),
]


def nested():
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 5)
            self.features = nn.Sequential(nn.ReLU(), nn.Sequential(nn.MaxPool2d(2), nn.Identity()))
            self.blocks = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 3), nn.Linear(2, 2)])
            self.heads = nn.ModuleDict({"10": nn.ReLU(), "2": nn.Linear(2, 3)})
            self.weights = nn.ParameterList([torch.zeros(2, 3), torch.zeros(())])
            self.named = nn.ParameterDict({"b": torch.zeros(2), "a": torch.zeros(2, 1, dtype=torch.float64)})
            self.same = self.conv1
            self.loss = nn.TripletMarginWithDistanceLoss()

    class Wide(nn.Linear):
        def extra_repr(self):
            return "first\nsecond"

    return {
        "Net": repr(Net()),
        "state": list(Net().state_dict()),
        "parameters": [n for n, _ in Net().named_parameters()],
        "modules": [n for n, _ in Net().named_modules()],
        "Wide": repr(nn.Sequential(Wide(1, 1))),
        "empty": [repr(m()) for m in (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)],
    }


def digest(tensor):
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()[:16]


SPACE = {"1": [9], "2": [9, 8], "3": [7, 8, 9]}


def inputs_of(name, args, kwargs):
    """Kinds and shapes of inputs that suit a layer: f numbers, p in (0, 1), c classes below 4, s plus or minus 1."""
    first = args[0] if args else kwargs.get("in_features", 4)
    dims = SPACE.get(name[-2]) if name.endswith("d") else None
    if name in ("CTCLoss", "RNN", "GRU", "LSTM") or name.startswith("MaxUnpool") or name.endswith("Cell"):
        return None
    if name in ("EmbeddingBag", "AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss"):
        return {"E": [["c", [3, 4]]], "A": [["f", [5, first]], ["c", [5]]], "L": [["f", [3, 4]], ["c", [3]]]}[name[0]]
    if name in ("Upsample", "Unfold", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "CrossMapLRN2d", "SyncBatchNorm"):
        return [["f", [2, first if name == "SyncBatchNorm" else 8, 6, 4]]]
    if name == "Fold":
        return [["f", [2, 8, 12]]] if args[1] == 2 else [["f", [2, 6, 9]]]
    if name.endswith("Loss"):
        if name in ("NLLLoss", "CrossEntropyLoss", "MultiMarginLoss"):
            return [["f", [3, 4]], ["c", [3]]]
        if name == "MultiLabelMarginLoss":
            return [["f", [3, 4]], ["c", [3, 4]]]
        if name == "CosineEmbeddingLoss":
            return [["f", [3, 4]], ["f", [3, 4]], ["s", [3]]]
        if name.startswith("TripletMargin"):
            return [["f", [3, 4]]] * 3
        third = {"MarginRankingLoss": "s", "GaussianNLLLoss": "p"}.get(name)
        second = "s" if name in ("HingeEmbeddingLoss", "SoftMarginLoss") else "f" if third == "s" else "p"
        return [["p" if name in ("BCELoss", "PoissonNLLLoss") else "f", [3, 4]], [second, [3, 4]]] + ([[third, [3, 4]]] if third else [])
    if name == "Bilinear":
        return [["f", [3, args[0]]], ["f", [3, args[1]]]]
    if name in ("CosineSimilarity", "PairwiseDistance"):
        return [["f", [3, 4]]] * 2
    if name == "Embedding":
        return None
    if name in ("Linear", "Unflatten"):
        return [["f", [2, 6 if name == "Unflatten" else first]]]
    if name in ("LayerNorm", "RMSNorm"):
        return [["f", [3, *(first if isinstance(first, (list, tuple)) else [first])]]]
    if name == "GroupNorm":
        return [["f", [2, args[1], 5]]]
    if "Conv" in name or "BatchNorm" in name or "InstanceNorm" in name:
        return [["f", [2, first, *dims]]]
    if name in ("LocalResponseNorm", "Softmax2d", "Flatten"):
        return [["f", [2, 4, 3, 3]]]
    if name == "PReLU":
        return [["f", [2, args[0] if args else 4, 3]]]
    return [["f", [2, 4, *(dims or [])]]]


def value(kind, index, i):
    """Element i of input number `index`."""
    if kind == "c":
        return (7 * i + index) % 4
    if kind == "s":
        return 1 if (5 * i + index) % 3 else -1
    step = (37 * i + 11 * index + i // 23 + 5) % 29
    return (step + 1) / 32 if kind == "p" else (step - 14) / 8


def weigh(tensor):
    flat = tensor.detach().double().flatten()
    weights = (torch.arange(flat.numel()) * 5 % 17 - 8).double() / 8
    return [list(tensor.shape), flat.sum().item(), (flat * weights).sum().item()]


def make(kind, shape, index):
    count = 1
    for s in shape:
        count *= s
    dtype = torch.int64 if kind == "c" else torch.float32
    return torch.tensor([value(kind, index, i) for i in range(count)], dtype=dtype).reshape(shape)


def outputs_of(module, inputs):
    found = {}
    for mode in ("train", "eval"):
        torch.manual_seed(7)
        out = module.train(mode == "train")(*[make(kind, shape, n) for n, (kind, shape) in enumerate(inputs)])
        found[mode] = [weigh(o) for o in (out if isinstance(out, tuple) else (out,))]
    if found["eval"] == found["train"]:
        del found["eval"]
    return found


def layer(name, cases):
    cls = getattr(nn, name)
    parameters = [p for p in inspect.signature(cls.__init__).parameters.values() if p.name not in ("self", "args", "kwargs", "device", "dtype")
                  and not p.name.startswith("_")]
    if name in ("RNN", "GRU", "LSTM"):  # their constructors take anything and pass it on
        parameters = [p for p in inspect.signature(nn.RNNBase.__init__).parameters.values() if p.name not in ("self", "mode", "device", "dtype")]
        if name == "RNN":
            parameters.insert(3, inspect.Parameter("nonlinearity", inspect.Parameter.POSITIONAL_OR_KEYWORD))
        if name != "LSTM":
            parameters = [p for p in parameters if p.name != "proj_size"]
    names = [p.name for p in parameters]
    positional = len([p for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD])
    if "size_average" in names:
        positional = names.index("size_average")
    done = []
    for args, kwargs in cases:
        torch.manual_seed(7)
        module = cls(*args, **kwargs)
        state = {n: [str(t.dtype)[6:], list(t.shape), digest(t)] for n, t in module.state_dict().items()}
        text, inputs = repr(module), inputs_of(name, args, kwargs)
        done.append({"args": args, "kwargs": kwargs, "repr": text, **({"state": state} if state else {}),
                     **({"inputs": inputs, "outputs": outputs_of(module, inputs)} if inputs else {})})
    return {"name": name, "parameters": [n for n in names if n not in ("size_average", "reduce", "min_value", "max_value")],
            "positional": positional, "cases": done}


def error(name, args, kwargs):
    try:
        getattr(nn, name)(*args, **kwargs)
    except Exception as e:  # noqa: BLE001
        return {"name": name, "args": args, "kwargs": kwargs, "error": type(e).__name__, "message": str(e).split("{")[0]}
    raise AssertionError((name, args, kwargs))


if __name__ == "__main__":
    lines = {
        "layers": [layer(name, cases) for name, cases in LAYERS.items()],
        "errors": [error(name, *c) for name, c in ERRORS],
    }
    text = ",\n".join(f"{json.dumps(key)}: [\n" + ",\n".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries) + "\n]" for key, entries in lines.items())
    os.makedirs(os.path.dirname(TARGET), exist_ok=True)
    with open(TARGET, "w", encoding="utf-8") as file:
        file.write("{\n" + text + ',\n"nested": ' + json.dumps(nested(), ensure_ascii=False) + "\n}\n")
    print(TARGET, os.path.getsize(TARGET), "bytes")
