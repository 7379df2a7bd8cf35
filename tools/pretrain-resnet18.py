"""The checkpoint of examples/finetune-resnet18: a ResNet-18 of torchvision's, pretrained on other pictures.

    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb fashion
    python3 tools/pretrain-resnet18.py pretraining.npz fashion/usr/share/datasets/fashion-mnist MINUTES [FILE]

learns Fashion-MNIST's garments, printed letters and, for colours, 54 kinds of clip art (see clipart-pictures.py), at 32x32; no
digits. So that the file is small, the least of the weights become zero while it learns, more and more of them (Zhu and Gupta, To prune,
or not to prune, arXiv:1710.01878), and the rest are rounded to 3 significant bits at the end. What is written is an
ordinary torch.save of a state_dict, the weights in float16, compressed by gzip. Needs Python with torch and torchvision;
one core of a CPU will do. The letters are those of Debian's fonts-dejavu.
"""

import gzip
import io
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torchvision.models import resnet18

BATCH = 64
SIZE = 32
ZEROS = 0.62  # part of the weights of each convolution but the first
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
TARGET = sys.argv[4] if len(sys.argv) > 4 else os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples/finetune-resnet18/pretrained.pth.gz")


def idx(path):
    with gzip.open(path) as file:
        data = file.read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return torch.frombuffer(bytearray(data[4 + 4 * rank :]), dtype=torch.uint8).view(shape)


def letters(folder="/usr/share/fonts/truetype/dejavu"):
    """Latin, Greek and Cyrillic letters in all faces, black on white; those that look like a 0, a 1 or another are left out."""
    chosen = "ABCDEFGHJKLMNPQRSTUVWXYZabdefghjkmnpqrtyΓΔΘΛΞΠΣΦΨΩαβγδζηθλμξπφψωБДЖИЛЦЧШЭЮЯбжишэюя"
    images, labels = [], []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".ttf") and "Math" not in name:
            font = ImageFont.truetype(os.path.join(folder, name), 64)
            for label, letter in enumerate(chosen):
                big = Image.new("L", (128, 128), 255)
                ImageDraw.Draw(big).text((64, 64), letter, 0, font, anchor="mm")
                box = big.point(lambda v: 255 - v).getbbox()
                small = big.crop(box)
                small.thumbnail((28, 28), Image.LANCZOS)
                square = Image.new("L", (40, 40), 255)
                square.paste(small, ((40 - small.width) // 2, (40 - small.height) // 2))
                images.append(torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(1, 40, 40))
                labels.append(label)
    return torch.stack(images), torch.tensor(labels), len(chosen)


def read(clipart, fashion):
    """Clip art, letters and garments, each as (pictures, labels), and a part of each to test; the number of labels."""
    archive = np.load(clipart)
    art = torch.from_numpy(archive["images"]).permute(0, 3, 1, 2).contiguous()
    art = torch.cat([F.interpolate(part.float(), 40, mode="bilinear", antialias=True).round().byte() for part in art.split(100)])
    art_labels = torch.from_numpy(archive["labels"]).long()
    order = torch.randperm(len(art))
    art, art_labels = art[order], art_labels[order]
    kinds = len(archive["names"])
    # Garments are photographs in negative: on white they are as they were taken.
    garments = 255 - idx(os.path.join(fashion, "train-images-idx3-ubyte.gz"))[:, None]
    labels = idx(os.path.join(fashion, "train-labels-idx1-ubyte.gz")).long() + kinds
    test = 255 - idx(os.path.join(fashion, "t10k-images-idx3-ubyte.gz"))[:1000, None]
    test_labels = idx(os.path.join(fashion, "t10k-labels-idx1-ubyte.gz"))[:1000].long() + kinds
    text, text_labels, count = letters()
    order = torch.randperm(len(text))
    text, text_labels = text[order], text_labels[order] + kinds + 10
    return (
        [(art[300:], art_labels[300:]), (text[300:], text_labels[300:]), (garments, labels)],
        [(art[:300], art_labels[:300]), (text[:300], text_labels[:300]), (test[:500], test_labels[:500])],
        kinds + 10 + count,
    )


def prepared(images, augment):
    """Floats of mean 0 and deviation 1, (N, 3, 32, 32); turned, moved, scaled and mirrored a little at random to learn from."""
    x = images.float() / 255
    count = len(x)
    if augment:
        angle = (torch.rand(count) - 0.5) * 0.35
        scale = 1 / (0.8 + 0.4 * torch.rand(count))
        flip = torch.randint(0, 2, (count,)) * 2.0 - 1
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        shift = (torch.rand(2, count) - 0.5) * 0.25
        theta = torch.stack([torch.stack([flip * cos, -sin, shift[0]], -1), torch.stack([flip * sin, cos, shift[1]], -1)], 1)
        grid = F.affine_grid(theta, (count, x.size(1), SIZE, SIZE), align_corners=False)
        # Paper is white: what lies outside is 0 in the negative.
        x = 1 - F.grid_sample(1 - x, grid, align_corners=False)
        x = ((x - 0.5) * (0.7 + 0.6 * torch.rand(count, 1, 1, 1)) + 0.5 + (torch.rand(count, x.size(1), 1, 1) - 0.5) * 0.2).clamp(0, 1)
    else:
        x = F.interpolate(x, SIZE, mode="bilinear", antialias=True)
    return (x.expand(-1, 3, -1, -1) - MEAN) / STD


def evaluate(model, sets):
    model.eval()
    with torch.no_grad():
        parts = [
            sum((model(prepared(p, False)).argmax(1) == t).sum().item() for p, t in zip(x.split(100), y.split(100))) / len(y)
            for x, y in sets
        ]
    model.train()
    return [round(part, 3) for part in parts]


def weights(model):
    return {n: p for n, p in model.named_parameters() if p.dim() == 4 and n != "conv1.weight"}


def reached(model):
    """The taps of each kernel that ever meet a picture of this size: the others see nothing but padding."""
    return {n: (p.grad.abs().amax((0, 1), keepdim=True) > 0).to(p.dtype).expand_as(p) for n, p in weights(model).items()}


def least(model, used, zeros):
    """Masks that leave out the given part of the weights of each kernel, the least ones."""
    masks = {}
    for name, p in weights(model).items():
        size = p.detach().abs()[used[name] > 0]
        limit = size.kthvalue(max(1, round(zeros * len(size)))).values
        masks[name] = used[name] * (p.detach().abs() > limit).to(p.dtype)
    return masks


def rounded(x, bits=3):
    fraction, exponent = torch.frexp(x)
    return torch.ldexp((fraction * 2**bits).round() / 2**bits, exponent)


def save(model, path):
    # Norms keep all their digits: running variances may exceed what float16 can hold.
    state = {n: rounded(v).half() if v.dim() >= 2 else v for n, v in model.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with open(path + ".part", "wb") as file:
        file.write(gzip.compress(buffer.getvalue(), 9, mtime=0))
    os.replace(path + ".part", path)
    return state


def main():
    clipart, fashion, minutes = sys.argv[1], sys.argv[2], float(sys.argv[3])
    torch.manual_seed(0)
    train, test, classes = read(clipart, fashion)
    model = resnet18(num_classes=classes)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0}])
    begin = time.time()
    step = 0
    while (done := (time.time() - begin) / (60 * minutes)) < 1:
        batch, labels = [], []
        for (images, targets), count in zip(train, (BATCH // 8, BATCH // 2, BATCH * 3 // 8)):
            chosen = torch.randint(len(images), (count,))
            batch.append(prepared(images[chosen], True))
            labels.append(targets[chosen])
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * min(1, (step + 1) / 50) * (1 + math.cos(math.pi * done)) / 2 + 1e-5
        loss = F.cross_entropy(model(torch.cat(batch)), torch.cat(labels), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            used = masks = reached(model)
        elif step % 25 == 0 and done > 0.25:
            masks = least(model, used, ZEROS * (1 - (1 - min(1, (done - 0.25) / 0.45)) ** 3))
        optimizer.step()
        with torch.no_grad():
            for name, p in weights(model).items():
                p.mul_(masks[name])
        if step % 50 == 0:
            print(f"{done:4.0%} step {step} loss {loss.item():.3f} accuracy {evaluate(model, test)}", flush=True)
        step += 1
    print(f"{step} steps, accuracy {evaluate(model, test)}")
    model.load_state_dict(save(model, TARGET))
    print(f"rounded: accuracy {evaluate(model, test)}, {os.path.getsize(TARGET) / 1e6:.2f} MB")


main()
