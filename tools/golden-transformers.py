"""Golden vision transformers, made by real torchvision. Run with a Python that has torch and torchvision:

    python3 tools/golden-transformers.py        writes test/vision/models/transformers.json

{"small": [{"class", "args", "seed", "repr": SHA-256 of the text, "state": {name: [dtype, shape, checksum]},
            "input": shape, "logits", "loss", "grads": {name: checksum}, "eval": logits, "losses": of five steps of SGD}],
 "named": {model: {"parameters", "state": SHA-256 of the lines "name dtype shape", "repr": SHA-256}},
 "interpolated": checksum, "weights": {name: {member: [url, num_params, min_size, transforms]}}}

A checksum is [sum, sum weighted by `weigh`], in double precision. Weights of linear layers are multiplied by 8 before the
forward pass where torchvision starts with almost 0, or with 0, so that the logits say something.
"""
import hashlib
import json
import os
import warnings

import torch
from torch import nn
from torchvision import models
from torchvision.models import swin_transformer as swin
from torchvision.models import vision_transformer as vit

warnings.simplefilter("ignore")
TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "vision", "models", "transformers.json")


def checksum(tensor):
    flat = tensor.detach().double().flatten()
    weights = (torch.arange(flat.numel()) * 5 % 17 - 8).double() / 8
    return [flat.sum().item(), (flat * weights).sum().item()]


def picture(shape):
    i = torch.arange(torch.Size(shape).numel())
    return (((37 * i + i // 23 + 5) % 29 - 14).float() / 8).reshape(shape)


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


VIT = {"image_size": 16, "patch_size": 4, "num_layers": 2, "num_heads": 2, "hidden_dim": 12, "mlp_dim": 20, "num_classes": 5}
SWIN = {"patch_size": [2, 2], "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 4], "window_size": [3, 3], "num_classes": 5}
CASES = [
    ("VisionTransformer", VIT, {}),
    ("VisionTransformer", {**VIT, "dropout": 0.1, "attention_dropout": 0.2, "representation_size": 6, "num_heads": 3}, {}),
    ("VisionTransformer", VIT, {"stem": [[4, 3, 2], [6, 3, 2]]}),
    ("SwinTransformer", SWIN, {}),
    ("SwinTransformer", {**SWIN, "window_size": [4, 2], "dropout": 0.1, "attention_dropout": 0.2, "stochastic_depth_prob": 0.4, "mlp_ratio": 2.5}, {}),
    ("SwinTransformer", SWIN, {"v2": True}),
    ("SwinTransformer", {**SWIN, "window_size": [4, 4], "dropout": 0.1, "stochastic_depth_prob": 0.4, "depths": [2, 1, 1], "num_heads": [1, 2, 4]}, {"v2": True}),
]
NAMED = ["vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14", "swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b"]


def build(name, args, extra):
    args = dict(args)
    if "stem" in extra:
        args["conv_stem_configs"] = [vit.ConvStemConfig(*c) for c in extra["stem"]]
    if extra.get("v2"):
        args.update(block=swin.SwinTransformerBlockV2, downsample_layer=swin.PatchMergingV2)
    return getattr(models, name)(**args)


def small(number, name, args, extra):
    seed = 20 + number
    torch.manual_seed(seed)
    net = build(name, args, extra)
    case = {"class": name, "args": args, **extra, "seed": seed, "repr": sha(repr(net)),
            "state": {n: [str(t.dtype)[6:], list(t.shape), checksum(t)] for n, t in net.state_dict().items()}}
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Linear):
                m.weight.mul_(8).add_(picture(m.weight.shape), alpha=0.02)
    x = picture([2, 3, 16, 16] if name == "VisionTransformer" else [2, 3, 19, 14])
    target = torch.tensor([1, 3])
    torch.manual_seed(seed)
    logits = net(x)
    loss = nn.functional.cross_entropy(logits, target)
    loss.backward()
    case.update(input=list(x.shape), logits=logits.tolist(), loss=loss.item(),
                grads={n: [*checksum(p.grad), p.grad.abs().sum().item()] for n, p in net.named_parameters()})
    net.eval()
    case["eval"] = net(x).tolist()
    with torch.no_grad():
        case["inference"] = net(x).tolist()
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.003, momentum=0.9)
    case["losses"] = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        case["losses"].append(loss.item())
    return case


def named(name):
    with torch.device("meta"):
        net = getattr(models, name)()
    lines = [f"{n} {str(t.dtype)[6:]} {list(t.shape)}" for n, t in net.state_dict().items()]
    return {"parameters": sum(p.numel() for p in net.parameters()), "state": sha("\n".join(lines)), "repr": sha(repr(net))}


def interpolated():
    torch.manual_seed(0)
    state = build("VisionTransformer", VIT, {}).state_dict()
    changed = vit.interpolate_embeddings(24, 4, state, reset_heads=True)
    return {"keys": list(changed), "positions": checksum(changed["encoder.pos_embedding"]), "shape": list(changed["encoder.pos_embedding"].shape)}


def weights():
    found = {}
    for name in NAMED:
        enum = models.get_model_weights(name)
        found[enum.__name__] = {m: [w.url, w.meta["num_params"], list(w.meta["min_size"]), w.name] for m, w in enum.__members__.items()}
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = {"small": [small(i, *c) for i, c in enumerate(CASES)], "named": {n: named(n) for n in NAMED}, "interpolated": interpolated(), "weights": weights()}
    os.makedirs(os.path.dirname(TARGET), exist_ok=True)
    with open(TARGET, "w", encoding="utf-8") as file:
        file.write("{\n")
        file.write('"small": [\n' + ",\n".join(json.dumps(c) for c in data["small"]) + "\n],\n")
        file.write(",\n".join(f'"{k}": {json.dumps(data[k])}' for k in ("named", "interpolated", "weights")) + "\n}\n")
    print(TARGET, os.path.getsize(TARGET), "bytes")
