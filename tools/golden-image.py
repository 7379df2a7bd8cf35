"""Writes test/vision/image-golden.json: checksums of what Pillow does to pictures.

Run with a Python that has Pillow and NumPy: python3 tools/golden-image.py > test/vision/image-golden.json
"""

import json
import zlib

import numpy as np
from PIL import Image

COUNT = 64 * 97 * 4
# The same formula is in the test.
index = np.arange(COUNT, dtype=np.uint64)
NOISE = ((((index * 40503) % 65536) * (index % 251 + 7) >> 5) & 255).astype(np.uint8)
MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "HSV": 3}
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def picture(mode, width, height):
    return Image.frombytes(mode, (width, height), NOISE[: width * height * MODES[mode]].tobytes())


def checksum(image):
    data = image.tobytes() if image.mode != "1" else (np.asarray(image).astype(np.uint8) * 255).tobytes()
    return [*image.size, zlib.crc32(data)]


WIDE = {
    "I": Image.fromarray(np.arange(-500, 500, dtype=np.int32).reshape(10, 100)),
    "F": Image.fromarray((np.arange(1000) / 8 - 20).astype(np.float32).reshape(10, 100)),
    "I;16": Image.fromarray(np.arange(0, 65000, 65, dtype=np.uint16).reshape(10, 100)),
}

convert = {f"{a} {b}": checksum(picture(a, 64, 97).convert(b)) for a in MODES for b in ["1", *MODES] if a != b}
convert.update({f"{a} {b}": checksum(WIDE[a].convert(b)) for a in WIDE for b in ["L", *WIDE] if a != b})
transpose = {f"{m} {i}": checksum(picture(m, 64, 97).transpose(i)) for m in ["L", "RGB"] for i in range(7)}
crop = {f"{m}": checksum(picture(m, 64, 97).crop((-3, 5, 40, 120))) for m in ["L", "RGB", "RGBA"]}
resize = {}
for name in FILTERS:
    for mode, (w, h), size in [
        *[(m, (53, 37), s) for m in ["L", "LA", "RGB", "RGBA"] for s in [(20, 30), (98, 24), (53, 20), (70, 37), (1, 1)]],
        ("RGB", (3, 400), (7, 90)),
    ]:
        resize[f"{mode} {w} {h} {size[0]} {size[1]} {name}"] = checksum(picture(mode, w, h).resize(size, FILTERS[name]))
    for mode in WIDE:
        for size in [(20, 30), (150, 4)]:
            # Floats, and ramps whose sums lie between two whole numbers, show the last bits of the weights' sines.
            if name in ("nearest", "box", "bilinear") or (mode == "I" and name != "hamming"):
                resize[f"{mode} 100 10 {size[0]} {size[1]} {name}"] = checksum(WIDE[mode].resize(size, FILTERS[name]))

print(json.dumps({"convert": convert, "transpose": transpose, "crop": crop, "resize": resize}, separators=(",", ":")))
