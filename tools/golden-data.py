"""Golden orders of samples, made by real PyTorch. Run with a Python that has PyTorch and torchvision:

    python3 tools/golden-data.py       writes test/utils/golden.json and test/vision/golden.json

Everything is drawn from the seeds that the tests repeat.
"""
import json
import os

import torch
from torchvision.transforms import v2 as T
from torch.utils.data import (
    BatchSampler, DataLoader, RandomSampler, SubsetRandomSampler, TensorDataset, WeightedRandomSampler, random_split,
)

ROOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def batches(loader):
    return [b[0].tolist() for b in loader]


def loaders():
    data = TensorDataset(torch.arange(23))
    out = {}
    torch.manual_seed(3)
    loader = DataLoader(data, batch_size=5, shuffle=True)
    out["two_epochs"] = [batches(loader), batches(loader)]
    out["rand_after"] = torch.rand(2).tolist()
    g = seeded(4)
    loader = DataLoader(data, batch_size=5, shuffle=True, drop_last=True, generator=g)
    out["own_generator"] = [batches(loader), batches(loader)]
    out["own_generator_after"] = torch.rand(2, generator=g).tolist()
    torch.manual_seed(5)
    loader = DataLoader(data, batch_size=4, shuffle=True)
    for batch in loader:
        out["left_early"] = batch[0].tolist()
        break
    out["after_leaving"] = batches(loader)
    torch.manual_seed(6)
    loader = DataLoader(data, batch_size=4)
    batches(loader)
    out["rand_after_sequential"] = torch.rand(2).tolist()
    torch.manual_seed(7)
    sampler = RandomSampler(data, replacement=True, num_samples=40)
    out["replacement"] = batches(DataLoader(data, batch_size=16, sampler=sampler))
    torch.manual_seed(8)
    out["batch_sampler"] = batches(DataLoader(data, batch_sampler=BatchSampler(SubsetRandomSampler([3, 1, 4, 15, 9]), 2, False)))
    return out


def samplers():
    out = {}
    torch.manual_seed(0)
    out["random"] = list(RandomSampler(range(10)))
    out["more_than_all"] = list(RandomSampler(range(7), num_samples=17))
    out["replacement"] = list(RandomSampler(range(7), replacement=True, num_samples=70))
    out["subset"] = list(SubsetRandomSampler([5, 7, 11, 13]))
    out["weighted"] = list(WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 12))
    out["weighted_once"] = list(WeightedRandomSampler([0.9, 0.4, 0.05, 0.2, 0.3, 0.1], 5, replacement=False, generator=seeded(2)))
    out["rand_after"] = torch.rand(2).tolist()
    return out


def splits():
    lengths = [[6, 4], [0.3, 0.3, 0.4], [0.5, 0.5], [0.001, 0.999], [0.7, 0.2, 0.1]]
    return [{"n": n, "lengths": l, "indices": [list(s.indices) for s in random_split(range(n), l, seeded(9))]}
            for n, l in zip([10, 10, 11, 10, 33], lengths)]


def transforms():
    image = (torch.arange(2 * 3 * 4) * 11 % 256).to(torch.uint8).reshape(2, 3, 4)
    hwc = image.numpy().transpose(1, 2, 0).copy()
    x = T.ToTensor()(hwc)
    torch.manual_seed(1)
    crops = [T.RandomCrop(2)(image[0:1]).flatten().tolist() for _ in range(6)]
    padded_crop = T.RandomCrop((3, 4), padding=1, fill=7)(image[0:1]).flatten().tolist()
    flips = [T.RandomHorizontalFlip()(image[0:1]).flatten().tolist() for _ in range(4)]
    flips += [T.RandomVerticalFlip(0.3)(image[0:1]).flatten().tolist() for _ in range(4)]
    pads = {mode: T.Pad((1, 2, 2, 1), padding_mode=mode)(image.float()).flatten().tolist() for mode in ["constant", "edge", "reflect", "symmetric"]}
    net = T.Compose([T.Pad(2), T.ToTensor(), T.Normalize((0.1307,), (0.3081,))])
    return {
        "to_tensor": x.flatten().tolist(),
        "normalize": T.Normalize((0.1307, 0.5), (0.3081, 0.25))(x).flatten().tolist(),
        "crops": crops, "padded_crop": padded_crop, "flips": flips, "pads": pads,
        "center": T.CenterCrop((2, 2))(image).flatten().tolist(),
        "center_larger": T.CenterCrop((5, 7))(image).flatten().tolist(),
        "to_uint8": T.ConvertImageDtype(torch.uint8)(torch.tensor([0.0, 0.2, 0.5, 0.999, 1.0])).tolist(),
        "to_float": T.ConvertImageDtype(torch.float32)(image).flatten().tolist(),
        "text": str(net),
        "texts": [str(t) for t in [T.ToTensor(), T.PILToTensor(), T.Pad((1, 2)), T.RandomCrop(4, padding=2), T.CenterCrop(3),
                                   T.RandomHorizontalFlip(), T.Normalize((0.5, 0.5), (0.25, 0.75)), T.Lambda(abs)]],
    }


def grids():
    from torchvision.utils import make_grid
    x = (torch.arange(5 * 2 * 3, dtype=torch.float32) / 7).reshape(5, 1, 2, 3)
    rgb = (torch.arange(3 * 3 * 2 * 2, dtype=torch.float32) / 5).reshape(3, 3, 2, 2)
    cases = [(x, dict(nrow=3)), (x, dict(nrow=2, padding=1, normalize=True, pad_value=0.5)), (rgb, dict(normalize=True, scale_each=True)),
             (rgb, dict(normalize=True, value_range=[1, 3])), (x[0], {}), (x[0, 0], {})]
    out = []
    for t, kw in cases:
        g = make_grid(t, **{**kw, **({"value_range": tuple(kw["value_range"])} if "value_range" in kw else {})})
        out.append({"shape": list(t.shape), "input": t.flatten().tolist(), "options": kw, "result_shape": list(g.shape), "result": g.flatten().tolist()})
    return out


def write(name, content):
    with open(os.path.join(ROOT, name, "golden.json"), "w") as f:
        json.dump(content, f, separators=(",", ":"))
        f.write("\n")


write("utils", {"loaders": loaders(), "samplers": samplers(), "splits": splits()})
write("vision", {"transforms": transforms(), "grids": grids()})
