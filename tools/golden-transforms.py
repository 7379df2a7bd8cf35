"""Writes what torchvision's transforms (version 2) give for small pictures and tensors: floats as they are, in base64, and
checksums of bytes and whole numbers, which have to agree exactly (with --all those as they are, too).

Run with a Python that has PyTorch and torchvision:
    python3 tools/golden-transforms.py | gzip -9n > test/vision/transforms-golden.json.gz
"""

import base64
import json
import sys
import warnings
import zlib

import numpy as np
import PIL.Image
import torch
from torchvision.transforms import AutoAugmentPolicy, InterpolationMode, _presets, v2

warnings.simplefilter("ignore")


def value(x, y, c, n=0):
    """The same formula is in the test: waves with edges in them, all of 0 to 255."""
    return (x * x * 3 + y * 11 + c * 60 + n * 25 + (x * y) % 7 * 9 + (80 if (x // 4 + y // 3) % 2 else 0)) % 256


def array(channels, height, width, n=0):
    return np.array(
        [[[value(x, y, c, n) for c in range(channels)] for x in range(width)] for y in range(height)], dtype=np.uint8
    )


def tensor(channels, height, width, n=0):
    return torch.from_numpy(array(channels, height, width, n)).permute(2, 0, 1).contiguous()


W, H = 17, 13
INPUTS = {
    "rgb": PIL.Image.fromarray(array(3, H, W)),
    "grey": PIL.Image.fromarray(array(1, H, W)[:, :, 0]),
    "rgba": PIL.Image.fromarray(array(4, H, W)),
    "la": PIL.Image.fromarray(array(2, H, W)),
    "u8": tensor(3, H, W),
    "u8grey": tensor(1, H, W),
    "batch": torch.stack([tensor(3, 7, 9, 0), tensor(3, 7, 9, 1)]),
    "f32": tensor(3, 7, 9).to(torch.float32) / 256,
    "f32grey": tensor(1, 7, 9).to(torch.float32) / 256,
    "i16": tensor(3, 7, 9).to(torch.int16) * 100,
    "f32batch": torch.stack([tensor(3, 4, 5, n) for n in range(4)]).to(torch.float32) / 256,
    "labels": torch.tensor([2, 0, 1, 2]),
    "label": torch.tensor(3),
}
PICTURES = ["rgb", "grey"]
BYTES = ["rgb", "grey", "u8", "u8grey"]
ALL = [*BYTES, "batch", "f32"]


def values(data):
    if data.dtype == np.float32 or "--all" in sys.argv:
        return {"data": base64.b64encode(data.tobytes()).decode()}
    return {"crc": zlib.crc32(data.tobytes())}


def encode(x):
    if isinstance(x, PIL.Image.Image):
        return {"mode": x.mode, "shape": [x.height, x.width], **values(np.asarray(x))}
    if isinstance(x, torch.Tensor):
        data = np.ascontiguousarray(x.detach().numpy())
        return {"dtype": str(x.dtype)[6:], "shape": list(x.shape), **values(data)}
    if isinstance(x, (tuple, list)):
        return [encode(v) for v in x]
    if isinstance(x, dict):
        return {"dict": {k: encode(v) for k, v in x.items()}}
    return {"value": x}


def python_value(key, v):
    if key == "interpolation":
        return InterpolationMode(v)
    if key == "policy":
        return AutoAugmentPolicy(v)
    if isinstance(v, str) and v.startswith("torch."):
        return getattr(torch, v[6:])
    return v


def tuples(v):
    """What is written as a list here is passed as a tuple, which is how transforms are written in Python."""
    return tuple(tuples(x) for x in v) if isinstance(v, list) else v


def functional(name, inputs, *args, **kwargs):
    f = getattr(v2.functional, name)
    for i in inputs if isinstance(inputs, list) else [inputs]:
        x = INPUTS[i]
        try:
            result = encode(f(x, *[python_value("", a) for a in args], **{k: python_value(k, v) for k, v in kwargs.items()}))
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        yield {"f": name, "input": i, "args": args, "kwargs": kwargs, "result": result}


SEED = 5


def transform(name, inputs, *args, calls=2, **kwargs):
    """`inputs` is a list of samples; a sample is a name, or a list of names for a call with several arguments."""
    cls = getattr(v2, name)
    t = cls(*[tuples(python_value("", a)) for a in args], **{k: tuples(python_value(k, v)) for k, v in kwargs.items()})
    results = []
    for sample in inputs:
        names = sample if isinstance(sample, list) else [sample]
        torch.manual_seed(SEED)
        for _ in range(calls):
            results.append(encode(t(*[INPUTS[n].clone() if isinstance(INPUTS[n], torch.Tensor) else INPUTS[n] for n in names])))
    return {"t": name, "args": args, "kwargs": kwargs, "inputs": inputs, "calls": calls, "text": str(t), "results": results}


def functional_cases():
    for mode in ["nearest", "nearest-exact", "bilinear", "bicubic", "box", "hamming", "lanczos"]:
        yield from functional("resize", ["rgb", "la" if mode == "bilinear" else "rgba"], [9, 11], interpolation=mode)
    for mode in ["nearest", "nearest-exact", "bilinear", "bicubic"]:
        yield from functional("resize", ["u8", "f32"], [9, 11], interpolation=mode)
    yield from functional("resize", ["rgb", "batch", "i16"], [5])
    yield from functional("resize", ["u8grey", "f32"], [5], max_size=6)
    yield from functional("resize", ["rgb"], None, max_size=10)
    yield from functional("resize", ["u8", "f32"], [20, 8], antialias=False)
    yield from functional("resized_crop", ["rgb", "u8", "f32"], 1, 2, 5, 6, [8, 8])
    for mode in ["constant", "edge", "reflect", "symmetric"]:
        yield from functional("pad", ["rgb", "u8", "f32"], [3, 1, 2, 4], padding_mode=mode)
    yield from functional("pad", ["grey", "u8grey"], [2], fill=7)
    yield from functional("pad", ["rgb", "u8", "rgba"], [1, 2], fill=[9])
    yield from functional("pad", ["rgb", "u8"], [1, 2], fill=[10, 20, 30])
    yield from functional("crop", ["rgb", "u8", "f32"], 2, 3, 4, 5)
    yield from functional("crop", ["rgb", "u8"], -2, 10, 8, 12)
    yield from functional("center_crop", ["rgb", "u8"], [4, 7])
    yield from functional("center_crop", ["grey", "f32"], [16, 5])
    yield from functional("five_crop", ["grey", "u8grey"], [3, 4])
    yield from functional("ten_crop", ["u8grey"], [2, 3], vertical_flip=True)
    yield from functional("horizontal_flip", ["rgb", "batch"])
    yield from functional("vertical_flip", ["rgb", "f32"])
    for factor in [0.0, 0.4, 1.0, 1.7]:
        for name in ["brightness", "contrast", "saturation", "sharpness"]:
            inputs = ALL if factor == 1.7 else ["rgb", "u8"]
            yield from functional(f"adjust_{name}", inputs, factor)
    yield from functional("adjust_brightness", ["rgba"], 1.5)
    yield from functional("adjust_contrast", ["rgba", "la"], 0.5)
    yield from functional("adjust_saturation", ["rgba", "f32grey"], 0.5)
    yield from functional("adjust_sharpness", ["rgba"], 2.5)
    for factor in [-0.5, -0.13, 0.0, 0.27, 0.5]:
        yield from functional("adjust_hue", ["rgb", "u8", "f32"] if factor in (-0.13, 0.27) else ["rgb", "u8"], factor)
    yield from functional("adjust_hue", ["grey", "batch"], 0.1)
    yield from functional("adjust_gamma", ["rgb", "u8", "f32", "grey"], 0.7, 1.3)
    for bits in [0, 3, 8]:
        yield from functional("posterize", ["rgb", "u8"], bits)
    yield from functional("posterize", ["f32", "grey"], 2)
    yield from functional("solarize", BYTES, 128)
    yield from functional("solarize", ["f32"], 0.5)
    for name in ["invert", "autocontrast", "equalize"]:
        yield from functional(name, ALL if name != "equalize" else [*ALL, "f32grey"])
    yield from functional("invert", ["i16"])
    yield from functional("rgb_to_grayscale", ["rgb", "grey", "u8", "f32", "u8grey"], num_output_channels=3)
    yield from functional("rgb_to_grayscale", ["rgb", "u8", "f32"])
    yield from functional("grayscale_to_rgb", ["grey", "u8grey", "u8", "rgba"])
    yield from functional("permute_channels", ["rgb", "u8"], [2, 0, 1])
    for mode in ["nearest", "bilinear", "bicubic"]:
        inputs = ["rgb", "la"] if mode == "bicubic" else ["rgb", "rgba", "u8", "f32"]
        yield from functional("affine", inputs, 21.0, [2.0, -1.0], 1.2, [11.0, -5.0], interpolation=mode, fill=[40])
        yield from functional("rotate", inputs, 33.0, interpolation=mode)
        yield from functional("rotate", inputs[:3], 75.0, interpolation=mode, expand=True, fill=[7])
        c = [1.1, 0.15, -0.6, -0.08, 0.93, 0.4, 0.004, -0.006]
        yield from functional("perspective", inputs, None, None, interpolation=mode, coefficients=c)
    yield from functional("affine", ["rgb", "u8", "f32"], 0.0, [3.0, -2.0], 1.0, [0.0, 0.0])
    yield from functional("affine", ["grey", "u8grey"], -40.0, [0.0, 0.0], 0.7, [0.0], center=[2.0, 3.0], fill=255)
    for angle in [0, 90, 180, 270, -450]:
        yield from functional("rotate", ["grey", "u8grey"], angle, expand=True)
    yield from functional("rotate", ["rgb", "u8"], 90, fill=[1, 2, 3])
    yield from functional("rotate", ["rgb", "u8"], 50.0, center=[3.0, 4.0])
    yield from functional("perspective", ["rgb", "u8", "f32"], [[0, 0], [16, 0], [16, 12], [0, 12]], [[2, 1], [13, 0], [15, 11], [1, 9]])
    yield from functional("gaussian_blur", ["rgb", "grey", "u8", "f32", "batch"], [5, 3])
    yield from functional("gaussian_blur", ["u8", "f32"], [3, 5], [0.8, 2.0])
    yield from functional("to_dtype", ["u8grey", "f32grey", "i16"], "torch.float32", scale=True)
    yield from functional("to_dtype", ["u8grey", "f32grey", "i16"], "torch.uint8", scale=True)
    yield from functional("to_dtype", ["u8grey", "f32grey"], "torch.int16", scale=True)
    yield from functional("to_dtype", ["u8grey", "f32grey"], "torch.int64")
    yield from functional("normalize", ["f32", "f32grey"], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    yield from functional("pil_to_tensor", ["rgb", "grey", "la"])
    yield from functional("to_tensor", ["rgb", "grey", "rgba"])
    yield from functional("to_image", ["grey", "u8grey"])
    yield from functional("to_pil_image", ["u8", "u8grey", "f32"])
    yield from functional("adjust_hue", ["u8"], 0.7)
    yield from functional("adjust_brightness", ["u8"], -1.0)
    yield from functional("solarize", ["u8"], 300)
    yield from functional("normalize", ["f32"], [0.5], [0.0])
    yield from functional("normalize", ["u8"], [0.5], [0.5])
    yield from functional("resize", ["u8"], [5, 5], max_size=7)
    yield from functional("gaussian_blur", ["u8"], [4, 3])


def transform_cases():
    each = ["rgb", "u8"]
    yield transform("Resize", each, 8, calls=1)
    yield transform("Resize", ["rgb"], [6, 9], interpolation="bicubic", antialias=None, calls=1)
    yield transform("Resize", ["rgb"], 6, max_size=7, calls=1)
    yield transform("CenterCrop", each, 9, calls=1)
    yield transform("RandomCrop", each, 8, calls=3)
    yield transform("RandomCrop", ["grey", "u8grey"], [18, 6], padding=[1, 2], pad_if_needed=True, fill=3)
    yield transform("RandomCrop", ["rgb"], 8, padding=2, padding_mode="reflect")
    yield transform("RandomResizedCrop", [*each, "f32"], 6, calls=4)
    yield transform("RandomResizedCrop", ["rgb"], [5, 7], scale=[0.5, 0.9], ratio=[4.0, 5.0], interpolation="bicubic")
    yield transform("RandomHorizontalFlip", ["grey"], calls=4)
    yield transform("RandomVerticalFlip", ["u8grey"], p=0.3, calls=4)
    yield transform("FiveCrop", ["grey"], 4, calls=1)
    yield transform("TenCrop", ["u8grey"], [4, 5], vertical_flip=True, calls=1)
    yield transform("Pad", each, 2, calls=1)
    yield transform("Pad", ["rgb"], [1, 2], fill=[1, 2, 3], calls=1)
    yield transform("RandomZoomOut", each, fill=5, p=0.8)
    yield transform("ColorJitter", [*each, "f32"], brightness=0.4, contrast=[0.5, 1.5], saturation=0.3, hue=0.2, calls=3)
    yield transform("ColorJitter", ["rgb"], brightness=0.5)
    yield transform("Grayscale", each, 3, calls=1)
    yield transform("RandomGrayscale", each, 0.6, calls=3)
    yield transform("RGB", ["grey"], calls=1)
    yield transform("RandomInvert", each, calls=3)
    yield transform("RandomPosterize", each, 3, calls=2)
    yield transform("RandomSolarize", each, 100, p=0.7)
    yield transform("RandomAdjustSharpness", each, 1.8)
    yield transform("RandomAutocontrast", each, p=0.9)
    yield transform("RandomEqualize", each, p=0.9)
    yield transform("RandomPhotometricDistort", [*each, "f32"], calls=3)
    yield transform("RandomChannelPermutation", each)
    yield transform("GaussianBlur", [*each, "f32"], [3, 5])
    yield transform("GaussianNoise", ["u8", "f32"])
    yield transform("RandomRotation", [*each, "f32"], 40, fill=9)
    yield transform("RandomRotation", ["grey"], [10, 60], expand=True, interpolation="bilinear", center=None)
    yield transform("RandomAffine", each, 20, translate=[0.2, 0.1], scale=[0.8, 1.3], shear=10, fill=4)
    yield transform("RandomAffine", ["rgb", "u8", "f32"], [-5, 30], shear=[-5, 5, -8, 8], interpolation="bilinear")
    yield transform("RandomPerspective", [*each, "f32"], p=0.9, distortion_scale=0.4)
    yield transform("ElasticTransform", [*each, "f32"], alpha=40.0, sigma=1.5, calls=1)
    yield transform("RandomErasing", [*each, "f32"], p=0.9, calls=3)
    yield transform("RandomErasing", ["f32"], p=0.9, value="random", scale=[0.1, 0.4], calls=2)
    yield transform("RandomErasing", ["u8"], p=0.9, value=[10, 20, 30])
    yield transform("ScaleJitter", each, [20, 20], scale_range=[0.5, 1.5])
    yield transform("RandomShortestSize", each, [5, 6, 8], max_size=10)
    yield transform("RandomResize", each, 5, 12)
    yield transform("RandAugment", each, calls=12)
    yield transform("RandAugment", ["rgb"], num_ops=3, magnitude=20, interpolation="bilinear", fill=[100], calls=4)
    yield transform("TrivialAugmentWide", each, calls=16)
    for policy in ["imagenet", "cifar10", "svhn"]:
        yield transform("AutoAugment", each, policy=policy, calls=8)
    yield transform("AugMix", [*each, "f32"], calls=3)
    yield transform("MixUp", [["f32batch", "labels"]], num_classes=3, calls=2)
    yield transform("CutMix", [["f32batch", "labels"]], alpha=0.7, num_classes=3, calls=3)
    yield transform("ToTensor", ["rgb"], calls=1)
    yield transform("PILToTensor", ["rgb"], calls=1)
    yield transform("ToPILImage", ["u8"], calls=1)
    yield transform("ToDtype", ["u8"], "torch.float32", scale=True, calls=1)
    yield transform("ConvertImageDtype", ["u8"], "torch.float32", calls=1)
    yield transform("Normalize", ["f32"], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], calls=1)
    # Several images change alike; what is no image passes.
    yield transform("RandomResizedCrop", [["rgb", "grey", "label"], ["u8", "label"]], 5, calls=1)
    yield transform("ColorJitter", [["rgb", "label"]], 0.5, calls=1)


def containers():
    t = v2.Compose(
        [
            v2.RandomChoice([v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0), v2.Grayscale(3)], p=[1, 2, 3]),
            v2.RandomApply([v2.RandomInvert(0.5), v2.RandomCrop((8, 9))], p=0.6),
            v2.RandomOrder([v2.RandomPosterize(3), v2.RandomSolarize(90), v2.Pad(1)]),
            v2.PILToTensor(),
        ]
    )
    torch.manual_seed(SEED)
    results = [encode(t(INPUTS["rgb"])) for _ in range(6)]
    preset = _presets.ImageClassification(crop_size=6, resize_size=8)
    return {
        "text": str(t),
        "results": results,
        "preset": {"text": str(preset), "results": [encode(preset(INPUTS[i])) for i in ["rgb", "u8", "batch"]]},
    }


print(
    json.dumps(
        {
            "functional": list(functional_cases()),
            "transforms": list(transform_cases()),
            "containers": containers(),
        },
        separators=(",", ":"),
    ).replace('},{"f"', '},\n{"f"').replace('},{"t"', '},\n{"t"')
)
