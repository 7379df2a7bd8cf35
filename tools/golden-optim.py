"""Golden optimizers, schedulers and modules, made by real PyTorch. Run with a Python that has PyTorch:

    python3 tools/golden-optim.py          writes test/golden/optim.gz, schedulers.gz and modules.gz (see golden_format.py)

optim.gz       {"cases": [{"id", "optimizer", "dtype", "options", "groups": [{"params": [numbers], ..options}], "params": [tensors],
               "grads": [for each step: tensors or null], "after": [for each step: tensors], "state_dict"}]}
schedulers.gz  {"cases": [{"id", "optimizer": [name, options], "lrs": [of the groups], "scheduler", "kwargs", "metrics"?,
               "steps": [for each step: {"lr": [..], "momentum"?: [..]}], "last_lr", "state"}]}; a function is {"lambda": name}
modules.gz     {"cases": [{"id", "module", "args", "kwargs", "dtype", "seed", "repr", "init": state_dict, "inputs", "call"?, "repeat"?, "frozen"?, "eval"?,
               "out", "grads": {name: tensor}, "input_grads", "after": state_dict}],
               "init": [{"id", "function", "shape", "kwargs", "seed", "out"}]}
"""
import itertools
import os
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
warnings.simplefilter("ignore")

import torch  # noqa: E402
from torch import nn, optim  # noqa: E402

from golden_format import Blob, NAMES, encode, upstream, write_golden  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "golden")
STEPS = 8


def text_keys(value):
    """Dictionaries with their keys as text, as JSON wants them."""
    if isinstance(value, dict):
        return {str(k): text_keys(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [text_keys(v) for v in value]
    return value


def write(name, index, blob):
    path = os.path.join(GOLDEN, name + ".gz")
    write_golden(path, index, blob)
    print(name, len(index["cases"]), "cases", os.path.getsize(path), "bytes")


# ---- optimizers ----

def product(**choices):
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values))


def optimizer_cases():
    for o in product(momentum=(0, 0.9), dampening=(0, 0.1), weight_decay=(0, 0.01), nesterov=(False, True), maximize=(False, True)):
        if o["nesterov"] and (o["momentum"] == 0 or o["dampening"] != 0):
            continue
        yield "SGD", {"lr": 0.05, **o}, None
    for name in ("Adam", "AdamW"):
        yield name, {}, None
        for o in product(lr=(0.03,), betas=((0.9, 0.999), (0.7, 0.95)), eps=(1e-8, 1e-3), weight_decay=(0, 0.1),
                         amsgrad=(False, True), maximize=(False, True)):
            yield name, o, None
    yield "Adam", {"lr": 0.03, "weight_decay": 0.1, "decoupled_weight_decay": True}, None
    yield "RMSprop", {}, None
    for o in product(lr=(0.03,), alpha=(0.99, 0.8), eps=(1e-8, 1e-3), weight_decay=(0, 0.1), momentum=(0, 0.9),
                     centered=(False, True), maximize=(False, True)):
        if o["alpha"] == 0.8 and o["eps"] == 1e-3:
            continue
        yield "RMSprop", o, None
    yield "Adagrad", {}, None
    for o in product(lr=(0.1,), lr_decay=(0, 0.05), weight_decay=(0, 0.1), initial_accumulator_value=(0, 0.5), eps=(1e-10, 1e-2),
                     maximize=(False, True)):
        yield "Adagrad", o, None
    # Groups with options of their own.
    yield "SGD", {"lr": 0.1}, [{"params": [0]}, {"params": [1, 2], "lr": 0.02, "momentum": 0.9, "nesterov": True}]
    yield "Adam", {"lr": 0.1}, [{"params": [0, 2], "betas": (0.5, 0.9)}, {"params": [1], "amsgrad": True, "weight_decay": 0.2}]
    yield "AdamW", {"lr": 0.1}, [{"params": [0, 2], "weight_decay": 0.0}, {"params": [1], "lr": 0.01, "maximize": True}]
    yield "RMSprop", {"lr": 0.1}, [{"params": [0]}, {"params": [1, 2], "momentum": 0.5, "centered": True}]
    yield "Adagrad", {"lr": 0.1}, [{"params": [0]}, {"params": [1, 2], "lr": 0.5, "lr_decay": 0.1}]


def optimizers():
    blob, cases = Blob(), []
    torch.manual_seed(5)
    shapes = ((2, 3), (4,), ())
    starts = [torch.randn(s, dtype=torch.float64) for s in shapes]
    steps = [[torch.randn(s, dtype=torch.float64) for s in shapes] for _ in range(STEPS)]
    # A parameter without a gradient is passed over; a zero gradient is not.
    steps[2][1] = None
    steps[4][0] = torch.zeros(shapes[0], dtype=torch.float64)
    for number, (name, options, groups) in enumerate(optimizer_cases()):
        for dtype in (torch.float32, torch.float64) if number % 7 == 0 or groups else (torch.float32,):
            params = [s.to(dtype, copy=True).requires_grad_() for s in starts]
            groups_ = groups or [{"params": [0, 1, 2]}]
            given = [{**g, "params": [params[i] for i in g["params"]]} for g in groups_]
            optimizer = getattr(optim, name)(given if groups else params, **options)
            case = {"optimizer": name, "dtype": NAMES[dtype], "options": encode(options, blob)["dict"],
                    "groups": [encode(g, blob)["dict"] for g in groups] if groups else None,
                    "params": encode([p.detach() for p in params], blob), "grads": [], "after": []}
            shown = " ".join(f"{k}={v}" for k, v in options.items())
            case["id"] = f"{name} {NAMES[dtype]} {shown}{' groups' if groups else ''}"
            for step in steps:
                for p, g in zip(params, step):
                    p.grad = None if g is None else g.to(dtype)
                case["grads"].append(encode([p.grad for p in params], blob))
                optimizer.step()
                case["after"].append(encode([p.detach().clone() for p in params], blob))
            case["state_dict"] = encode(text_keys(optimizer.state_dict()), blob)["dict"]
            cases.append(case)
    write("optim", {"cases": cases}, blob)


# ---- schedulers ----

LAMBDAS = {"power": lambda epoch: 0.95 ** epoch, "steps": lambda epoch: 0.5 ** (epoch // 3), "linear": lambda epoch: 1 / (1 + epoch)}


class Named:
    """A function that the golden file names."""

    def __init__(self, name):
        self.name, self.call = name, LAMBDAS[name]

    def __call__(self, epoch):
        return self.call(epoch)


def scheduler_cases():
    sgd, adam = ("SGD", {"momentum": 0.9}), ("Adam", {})
    yield sgd, "StepLR", {"step_size": 3, "gamma": 0.5}, 12
    yield sgd, "StepLR", {"step_size": 4}, 12
    yield sgd, "MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}, 12
    yield sgd, "ExponentialLR", {"gamma": 0.9}, 12
    yield sgd, "CosineAnnealingLR", {"T_max": 5}, 14
    yield sgd, "CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}, 14
    yield sgd, "LambdaLR", {"lr_lambda": Named("power")}, 10
    yield sgd, "LambdaLR", {"lr_lambda": [Named("steps"), Named("linear")]}, 10
    yield sgd, "MultiplicativeLR", {"lr_lambda": Named("power")}, 8
    yield sgd, "OneCycleLR", {"max_lr": 0.5, "total_steps": 20}, 19
    yield sgd, "OneCycleLR", {"max_lr": [0.5, 0.2], "epochs": 4, "steps_per_epoch": 5, "pct_start": 0.4, "anneal_strategy": "linear"}, 19
    yield sgd, "OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "three_phase": True, "div_factor": 10, "final_div_factor": 100}, 19
    yield sgd, "OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "cycle_momentum": False}, 19
    yield sgd, "OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "base_momentum": 0.7, "max_momentum": 0.99}, 19
    yield adam, "OneCycleLR", {"max_lr": 0.5, "total_steps": 20}, 19
    yield sgd, "LinearLR", {"start_factor": 0.25, "total_iters": 4}, 8
    yield sgd, "LinearLR", {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 6}, 8
    yield sgd, "ConstantLR", {"factor": 0.5, "total_iters": 4}, 8
    yield sgd, "PolynomialLR", {"total_iters": 6, "power": 2.0}, 8
    yield sgd, "CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}, 14
    yield sgd, "CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "step_size_down": 4}, 16
    yield sgd, "CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "triangular2"}, 16
    yield sgd, "CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "exp_range", "gamma": 0.95}, 16
    yield sgd, "ReduceLROnPlateau", {"factor": 0.5, "patience": 1}, 12
    yield sgd, "ReduceLROnPlateau", {"mode": "max", "factor": 0.1, "patience": 2, "threshold": 0.01, "threshold_mode": "abs", "cooldown": 1,
                                     "min_lr": 0.001}, 12


def encode_lambda(value, blob):
    if isinstance(value, Named):
        return {"lambda": value.name}
    if isinstance(value, list) and value and isinstance(value[0], Named):
        return [encode_lambda(v, blob) for v in value]
    return encode(value, blob)


def schedulers():
    blob, cases = Blob(), []
    metrics = [1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.85, 0.85, 0.85, 0.85, 0.85, 0.7]
    lrs = [0.1, 0.05]

    def fresh(name, options):
        params = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
        return getattr(optim, name)([{"params": [p], "lr": lr} for p, lr in zip(params, lrs)], **options)

    def follow(case, optimizer, scheduler, count):
        def now():
            groups = optimizer.param_groups
            entry = {"lr": [float(g["lr"]) for g in groups]}
            if "momentum" in groups[0]:
                entry["momentum"] = [float(g["momentum"]) for g in groups]
            elif "betas" in groups[0]:
                entry["momentum"] = [float(g["betas"][0]) for g in groups]
            return entry
        case["steps"] = [now()]
        for i in range(count):
            optimizer.step()
            scheduler.step(metrics[i]) if "metrics" in case else scheduler.step()
            case["steps"].append(now())
        case["last_lr"] = [float(x) for x in scheduler.get_last_lr()]
        cases.append(case)

    for (name, options), scheduler, kwargs, count in scheduler_cases():
        optimizer = fresh(name, options)
        made = getattr(optim.lr_scheduler, scheduler)(optimizer, **kwargs)
        shown = " ".join(f"{k}={getattr(v, 'name', v)}" for k, v in kwargs.items() if not isinstance(v, list))
        case = {"id": f"{scheduler} {name} {shown}", "optimizer": [name, encode(options, blob)["dict"]], "lrs": lrs, "scheduler": scheduler,
                "kwargs": {k: encode_lambda(v, blob) for k, v in kwargs.items()}}
        if scheduler == "ReduceLROnPlateau":
            case["metrics"] = metrics[:count]
        follow(case, optimizer, made, count)
        keep = {k: v for k, v in made.state_dict().items() if isinstance(v, (int, float, str, bool, list)) and "lambda" not in k}
        case["state"] = encode(keep, blob)["dict"]
    # Schedulers made of schedulers; "kwargs" holds the parts.
    parts = [("LinearLR", {"start_factor": 0.1, "total_iters": 3}), ("CosineAnnealingLR", {"T_max": 6})]
    for scheduler, extra in (("SequentialLR", {"milestones": [3]}), ("ChainedScheduler", {})):
        optimizer = fresh("SGD", {"momentum": 0.9})
        made = [getattr(optim.lr_scheduler, n)(optimizer, **k) for n, k in parts]
        whole = optim.lr_scheduler.SequentialLR(optimizer, made, **extra) if extra else optim.lr_scheduler.ChainedScheduler(made)
        case = {"id": scheduler, "optimizer": ["SGD", encode({"momentum": 0.9}, blob)["dict"]], "lrs": lrs, "scheduler": scheduler,
                "kwargs": encode(extra, blob)["dict"], "parts": [[n, encode(k, blob)["dict"]] for n, k in parts]}
        follow(case, optimizer, whole, 10)
    write("schedulers", {"cases": cases}, blob)


# ---- modules ----

def image(*shape):
    return ("float", shape)


def module_cases():
    """(module, args, kwargs, input shapes or tensors)"""
    x2, x3, x4 = (3, 4), (2, 3, 6), (2, 3, 6, 5)
    yield "Linear", (4, 5), {}, [x2]
    yield "Linear", (4, 5), {"bias": False}, [(2, 3, 4)]
    yield "Linear", (4, 1), {}, [(4,)]
    yield "Conv1d", (3, 4, 3), {}, [x3]
    yield "Conv1d", (3, 6, 2), {"stride": 2, "padding": 1, "groups": 3, "bias": False}, [x3]
    yield "Conv1d", (3, 4, 3), {"padding": "same", "dilation": 2}, [x3]
    yield "Conv1d", (3, 4, 3), {"padding": 1, "padding_mode": "circular"}, [x3]
    yield "Conv2d", (3, 4, 3), {}, [x4]
    yield "Conv2d", (3, 4, (2, 3)), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}, [x4]
    yield "Conv2d", (3, 6, 3), {"groups": 3, "bias": False, "padding": "same"}, [x4]
    yield "Conv2d", (3, 2, 3), {"padding": 2, "padding_mode": "reflect"}, [x4]
    yield "Conv2d", (3, 2, 3), {"padding": 1, "padding_mode": "replicate"}, [x4]
    yield "Conv2d", (3, 2, 3), {"padding": "valid"}, [(3, 6, 5)]
    yield "MaxPool2d", (2,), {}, [x4]
    yield "MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [x4]
    yield "MaxPool2d", ((2, 3),), {"dilation": (2, 1), "stride": 1}, [x4]
    yield "MaxPool2d", (2,), {"return_indices": True}, [x4]
    yield "AvgPool2d", (2,), {}, [x4]
    yield "AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}, [x4]
    yield "AvgPool2d", (2,), {"divisor_override": 3}, [x4]
    yield "AdaptiveAvgPool2d", (1,), {}, [x4]
    yield "AdaptiveAvgPool2d", ((4, None),), {}, [x4]
    yield "AdaptiveAvgPool2d", ((4, 3),), {}, [x4]
    for name, shape in (("BatchNorm1d", (5, 3)), ("BatchNorm1d", (2, 3, 4)), ("BatchNorm2d", x4)):
        yield name, (3,), {}, [shape]
        yield name, (3,), {"eval": True}, [shape]
        yield name, (3,), {"momentum": None, "eps": 0.001}, [shape]
        yield name, (3,), {"affine": False}, [shape]
        yield name, (3,), {"track_running_stats": False, "eval": True}, [shape]
    yield "LayerNorm", (4,), {}, [x2]
    yield "LayerNorm", ((6, 5),), {"eps": 0.01, "bias": False}, [x4]
    yield "LayerNorm", (4,), {"elementwise_affine": False}, [x2]
    yield "GroupNorm", (3, 6), {}, [(2, 6, 4)]
    yield "InstanceNorm2d", (3,), {"affine": True}, [x4]
    yield "Dropout", (), {}, [(5, 7)]
    yield "Dropout", (0.2,), {}, [(5, 7)]
    yield "Dropout", (0.2,), {"eval": True}, [(5, 7)]
    yield "Dropout", (0.2,), {"inplace": True}, [(5, 7)]
    yield "Dropout2d", (0.4,), {}, [x4]
    yield "Flatten", (), {}, [x4]
    yield "Flatten", (0, 1), {}, [x4]
    yield "Unflatten", (1, (3, 1)), {}, [(2, 3)]
    yield "Identity", (), {}, [x2]
    index = torch.tensor([[0, 2, 2], [4, 0, 1]])
    yield "Embedding", (5, 3), {}, [index]
    yield "Embedding", (5, 3), {"padding_idx": 2}, [index]
    yield "Embedding", (5, 3), {"max_norm": 1.0}, [index]
    yield "Embedding", (5, 3), {"padding_idx": 0, "scale_grad_by_freq": True}, [index]
    for name, *options in (("ReLU", {}), ("ReLU6", {}), ("LeakyReLU", {}, {"negative_slope": 0.2}), ("ELU", {}, {"alpha": 0.5}),
                           ("CELU", {"alpha": 1.5}), ("SELU", {}), ("GELU", {}, {"approximate": "tanh"}), ("SiLU", {}), ("Mish", {}),
                           ("Sigmoid", {}), ("Tanh", {}), ("Softplus", {}, {"beta": 2, "threshold": 1}), ("Softsign", {}),
                           ("Softshrink", {}), ("Hardshrink", {}), ("Hardtanh", {}, {"min_val": -0.5, "max_val": 0.25}), ("Hardsigmoid", {}),
                           ("Hardswish", {}), ("LogSigmoid", {}), ("Tanhshrink", {}), ("PReLU", {}, {"num_parameters": 4, "init": 0.1}),
                           ("Softmax", {"dim": 1}), ("LogSoftmax", {"dim": 0}), ("Softmin", {"dim": 1})):
        for o in options:
            yield name, (), o, [x2]
    yield "Threshold", (0.1, 20), {}, [x2]
    yield "GLU", (), {}, [x2]
    yield "Sequential", "mlp", {}, [(2, 4)]
    yield "Sequential", "cnn", {}, [(2, 1, 8, 8)]
    reductions = ("mean", "sum", "none")
    a, b = image(3, 4), image(3, 4)
    torch.manual_seed(3)
    probabilities, targets = torch.rand(3, 4), torch.rand(3, 4)
    labels, weight = torch.tensor([1, 3, 0]), torch.tensor([0.5, 1, 2, 0.25])
    soft = torch.softmax(torch.randn(3, 4), 1)
    for r in reductions:
        yield "MSELoss", (), {"reduction": r}, [a[1], targets]
        yield "L1Loss", (), {"reduction": r}, [a[1], targets]
        yield "SmoothL1Loss", (), {"reduction": r, "beta": 0.5}, [a[1], targets]
        yield "HuberLoss", (), {"reduction": r, "delta": 0.5}, [b[1], targets]
        yield "CrossEntropyLoss", (), {"reduction": r}, [a[1], labels]
        yield "CrossEntropyLoss", (), {"reduction": r, "weight": weight, "ignore_index": 3, "label_smoothing": 0.1}, [a[1], labels]
        yield "CrossEntropyLoss", (), {"reduction": r, "weight": weight, "label_smoothing": 0.1}, [a[1], soft]
        yield "CrossEntropyLoss", (), {"reduction": r}, [(2, 4, 3), torch.tensor([[0, 1, 2], [3, -100, 0]])]
        yield "NLLLoss", (), {"reduction": r, "weight": weight, "ignore_index": 0}, [a[1], labels]
        yield "BCELoss", (), {"reduction": r, "weight": weight}, [probabilities, targets]
        yield "BCEWithLogitsLoss", (), {"reduction": r, "pos_weight": weight}, [a[1], targets]
        yield "KLDivLoss", (), {"reduction": r}, [torch.log_softmax(probabilities, 1), soft]
    yield "SmoothL1Loss", (), {}, [a[1], targets]
    yield "SmoothL1Loss", (), {"beta": 0.0}, [a[1], targets]
    yield "HuberLoss", (), {}, [a[1], targets]
    yield "KLDivLoss", (), {"reduction": "batchmean", "log_target": True}, [torch.log_softmax(probabilities, 1), soft.log()]
    yield "BCEWithLogitsLoss", (), {"weight": weight}, [a[1], targets]
    yield from attention_cases()
    yield from transformer_cases()
    yield from vision_cases()


def vision_cases():
    """Resampling, folds, unpooling, bags, and losses of large vocabularies."""
    x4, square = (2, 3, 6, 5), (1, 8, 4, 6)
    for options in ({"scale_factor": 2}, {"size": (3, 9), "mode": "bilinear"}, {"scale_factor": 1.5, "mode": "bicubic", "align_corners": True}):
        yield "Upsample", (), options, [x4]
    yield "Upsample", (), {"size": 4, "mode": "linear"}, [(2, 3, 6)]
    yield "Upsample", (), {"size": (3, 4, 5), "mode": "trilinear"}, [(1, 2, 4, 3, 2)]
    yield "Unfold", ((2, 3),), {"padding": 1, "stride": (2, 1)}, [x4]
    yield "Fold", ((4, 5), 2), {"dilation": (2, 1)}, [(2, 8, 8)]
    yield "PixelShuffle", (2,), {}, [square]
    yield "PixelUnshuffle", (2,), {}, [square]
    yield "ChannelShuffle", (4,), {}, [square]
    yield "LPPool1d", (2, 3), {"stride": 2}, [(2, 3, 8)]
    yield "LPPool2d", (2, (2, 3)), {"ceil_mode": True}, [x4]
    yield "MaxUnpool2d", (2,), {}, [(1, 1, 2, 2), torch.tensor([[[[0, 3], [9, 14]]]])]
    yield "FractionalMaxPool2d", (2,), {"output_ratio": 0.6}, [(2, 3, 8, 7)]
    index = torch.tensor([[0, 2, 2], [4, 0, 1]])
    for options in ({}, {"mode": "sum", "scale_grad_by_freq": True}, {"mode": "max", "padding_idx": 2}, {"padding_idx": 0}):
        yield "EmbeddingBag", (5, 3), options, [index]
    yield "AdaptiveLogSoftmaxWithLoss", (8, 10, [2, 5]), {"div_value": 2, "head_bias": True}, [(5, 8), torch.tensor([0, 9, 4, 1, 6])]
    yield "LinearCrossEntropyLoss", (4, 5), {"bias": True}, [(3, 4), torch.tensor([1, 4, 0])]
    yield "LSTMCell", (4, 3), {}, [(2, 4)]


def attention_cases():
    """As `module_cases`, with keyword arguments of the call as a fifth entry. `repeat` passes the first input so often."""
    ignored = torch.tensor([[False, False, True], [False, True, True]])
    bias = torch.linspace(-2, 2, 6).reshape(2, 3).masked_fill(torch.tensor([[0, 1, 0], [0, 0, 1]]).bool(), float("-inf"))
    blocked = torch.tensor([[False, True, False], [True, False, False], [False, False, True], [False, False, False]])
    lone = torch.tensor([[False, True, False], [True, True, True], [False, False, True], [False, False, False]])
    each = torch.linspace(-1, 1, 48).reshape(4, 4, 3)
    causal = nn.Transformer.generate_square_subsequent_mask(4)
    tgt, src, tgt_first, src_first = (4, 2, 6), (3, 2, 6), (2, 4, 6), (2, 3, 6)
    for options in ({}, {"bias": False}, {"add_bias_kv": True}, {"add_zero_attn": True}, {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
                    {"kdim": 5, "vdim": 4}, {"kdim": 6, "vdim": 4, "bias": False, "add_bias_kv": True}):
        shapes = [tgt, (3, 2, options.get("kdim", 6)), (3, 2, options.get("vdim", 6))]
        yield "MultiheadAttention", (6, 2), options, shapes
        yield "MultiheadAttention", (6, 3), {**options, "batch_first": True}, [(b, a, c) for a, b, c in shapes], {"key_padding_mask": ignored, "attn_mask": blocked}
        yield "MultiheadAttention", (6, 2), options, shapes, {"key_padding_mask": bias, "attn_mask": each, "need_weights": False}
        yield "MultiheadAttention", (6, 2), {**options, "dropout": 0.4}, shapes, {"attn_mask": blocked, "average_attn_weights": False}
        yield "MultiheadAttention", (6, 2), {**options, "dropout": 0.4, "batch_first": True}, [(b, a, c) for a, b, c in shapes], {"need_weights": False}
        yield "MultiheadAttention", (6, 3), options, [(a, c) for a, b, c in shapes], {"key_padding_mask": bias[1], "attn_mask": each[:3]}
    for call in ({}, {"need_weights": False}, {"attn_mask": causal, "is_causal": True, "need_weights": False}, {"attn_mask": causal, "is_causal": True},
                 {"key_padding_mask": ignored.new_tensor([[False, False, True, True], [False] * 4]), "attn_mask": causal, "is_causal": True, "need_weights": False}):
        for first in (True, False):
            yield "MultiheadAttention", (6, 2), {"batch_first": first, "repeat": 3}, [tgt_first if first else tgt], call
            yield "MultiheadAttention", (6, 2), {"batch_first": first, "repeat": 3, "eval": True, "frozen": True}, [tgt_first if first else tgt], call
    # A query that may look at nothing.
    for need in (True, False):
        yield "MultiheadAttention", (6, 2), {}, [tgt, src, src], {"attn_mask": lone, "need_weights": need}
        yield "MultiheadAttention", (6, 2), {"batch_first": True, "dropout": 0.4, "eval": True}, [tgt_first, src_first, src_first], {"need_weights": need}


def transformer_cases():
    padded = torch.tensor([[False, False, True], [False, False, False]])
    holes = torch.tensor([[False, True, False], [False, False, True]])
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    for first in (True, False):
        x, y = ((2, 3, 4), (2, 5, 4)) if first else ((3, 2, 4), (5, 2, 4))
        for early in (True, False):
            options = {"dim_feedforward": 6, "batch_first": first, "norm_first": early}
            yield "TransformerEncoderLayer", (4, 2), options, [x]
            yield "TransformerEncoderLayer", (4, 2), {**options, "dropout": 0.0, "activation": "gelu", "layer_norm_eps": 0.01}, [x], {"src_mask": causal, "src_key_padding_mask": padded.float()}
            yield "TransformerEncoderLayer", (4, 2), {**options, "bias": False, "eval": True}, [x], {"src_mask": causal, "is_causal": True}
            yield "TransformerEncoderLayer", (4, 2), {**options, "eval": True, "frozen": True}, [x], {"src_key_padding_mask": holes}
            yield "TransformerDecoderLayer", (4, 2), options, [x, y]
            yield "TransformerDecoderLayer", (4, 2), {**options, "dropout": 0.0, "activation": "gelu"}, [y, x], {"tgt_mask": torch.linspace(-1, 1, 25).reshape(5, 5), "memory_key_padding_mask": padded}
            yield "TransformerDecoderLayer", (4, 2), {**options, "bias": False, "eval": True}, [x, y], {"tgt_mask": causal, "tgt_is_causal": True}
            yield "TransformerEncoder", "encoder", options, [x], {"mask": causal}
            yield "TransformerEncoder", "encoder", {**options, "eval": True, "frozen": True}, [x], {"src_key_padding_mask": padded}
            yield "TransformerEncoder", "encoder", {**options, "eval": True, "frozen": True}, [x], {"src_key_padding_mask": holes}
            yield "TransformerEncoder", "encoder", {**options, "eval": True}, [x], {"src_key_padding_mask": padded}
            yield "TransformerDecoder", "decoder", options, [x, y], {"tgt_mask": causal}
            whole = {"d_model": 4, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 2, **options}
            yield "Transformer", (), whole, [y, x], {"tgt_mask": causal, "src_key_padding_mask": padded.new_tensor([[False, True, False, False, True], [False] * 5])}
            yield "Transformer", (), {**whole, "bias": False, "dropout": 0.0}, [s[1:] if first else (s[0], s[2]) for s in (y, x)], {"tgt_mask": causal, "tgt_is_causal": True}


def build(name, args, kwargs):
    if args == "mlp":
        return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    if args == "cnn":
        return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 3))
    if args in ("encoder", "decoder"):
        layer = nn.TransformerEncoderLayer if args == "encoder" else nn.TransformerDecoderLayer
        return getattr(nn, name)(layer(4, 2, **kwargs), 2, nn.LayerNorm(4))
    return getattr(nn, name)(*args, **kwargs)


def modules():
    blob, cases = Blob(), []
    for number, (name, args, kwargs, shapes, *call) in enumerate(module_cases()):
        kwargs, call = dict(kwargs), call[0] if call else {}
        evaluate, frozen, repeat = kwargs.pop("eval", False), kwargs.pop("frozen", False), kwargs.pop("repeat", 1)
        seed = 100 + number
        torch.manual_seed(seed)
        module = build(name, args, kwargs)
        case = {"id": f"{name} {number}", "module": name, "args": encode(args, blob), "kwargs": encode(kwargs, blob)["dict"], "dtype": "float32",
                "seed": seed, "repr": repr(module), "init": encode(dict(module.state_dict()), blob)["dict"]}
        if evaluate:
            # Running statistics that are not the initial ones.
            with torch.no_grad():
                for key, buffer in module.named_buffers():
                    if buffer.is_floating_point():
                        buffer.copy_(torch.linspace(0.5, 1.5, buffer.numel()))
            case["eval"] = True
            case["loaded"] = encode(dict(module.state_dict()), blob)["dict"]
            module.eval()
        inputs = [s.clone() if isinstance(s, torch.Tensor) else torch.randn(s) for s in shapes]
        if kwargs.get("inplace"):
            inputs = [i * 1 for i in inputs]
        if frozen:
            # Without gradients PyTorch takes other ways, some with other results.
            module.requires_grad_(False)
            case["frozen"] = True
        else:
            inputs = [i.requires_grad_() if i.is_floating_point() and n == 0 and not kwargs.get("inplace") else i for n, i in enumerate(inputs)]
        case["inputs"] = encode(inputs, blob)
        if call:
            case["call"] = encode(call, blob)["dict"]
        if repeat > 1:
            case["repeat"] = repeat
        torch.manual_seed(seed)
        out = module(*inputs * repeat, **call)
        first = out[0] if isinstance(out, tuple) else out
        case["out"] = encode([o if o is None else o.detach() for o in out] if isinstance(out, tuple) else out.detach(), blob)
        if first.requires_grad:
            wanted = [i for i in inputs if i.requires_grad]
            named = list(module.named_parameters())
            found = torch.autograd.grad(first, [*wanted, *(p for _, p in named)], upstream(first))
            case["input_grads"] = [encode(g, blob) for g in found[:len(wanted)]]
            case["grads"] = {n: encode(g.contiguous(), blob) for (n, _), g in zip(named, found[len(wanted):])}
        case["after"] = encode(dict(module.state_dict()), blob)["dict"]
        cases.append(case)
    inits = []
    for number, (function, shape, kwargs) in enumerate((
            ("uniform_", (3, 5), {"a": -1.5, "b": 2.5}), ("normal_", (3, 7), {"mean": 0.5, "std": 2.5}), ("normal_", (4, 4), {}),
            ("constant_", (2, 3), {"val": 0.25}), ("ones_", (2, 3), {}), ("zeros_", (2, 3), {}), ("eye_", (3, 4), {}),
            ("dirac_", (4, 2, 3), {}), ("dirac_", (4, 2, 3, 3), {"groups": 2}),
            ("xavier_uniform_", (4, 6), {}), ("xavier_uniform_", (4, 3, 3, 3), {"gain": 1.5}), ("xavier_normal_", (4, 6), {}),
            ("kaiming_uniform_", (4, 6), {}), ("kaiming_uniform_", (4, 3, 2, 2), {"a": 0.2, "mode": "fan_out"}),
            ("kaiming_normal_", (4, 6), {"nonlinearity": "relu"}), ("kaiming_normal_", (4, 6), {"mode": "fan_out", "nonlinearity": "tanh"}),
            ("trunc_normal_", (4, 6), {"std": 0.5, "a": -1.0, "b": 0.75}), ("orthogonal_", (4, 6), {}), ("orthogonal_", (6, 4), {"gain": 2.0}),
            ("sparse_", (6, 5), {"sparsity": 0.3}))):
        torch.manual_seed(number)
        out = getattr(nn.init, function)(torch.empty(shape), **kwargs)
        inits.append({"id": f"{function} {number}", "function": function, "shape": list(shape), "kwargs": encode(kwargs, blob)["dict"],
                      "seed": number, "out": encode(out, blob)})
    write("modules", {"cases": cases, "init": inits}, blob)


if __name__ == "__main__":
    os.makedirs(GOLDEN, exist_ok=True)
    torch.set_num_threads(1)
    optimizers()
    schedulers()
    modules()
