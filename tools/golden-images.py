"""Small picture files and what torchvision.io reads from them: test/vision/images.json. Run it with a Python that has torchvision and Pillow."""

import base64
import io
import json
import os
import struct
import sys
import zlib

import numpy as np
import torch
from PIL import Image
from torchvision import io as tio

draw = np.random.default_rng(0)
MODES = ["UNCHANGED", "GRAY", "GRAY_ALPHA", "RGB", "RGB_ALPHA"]


def smooth(height, width, channels, top=255):
    """Soft colours with some noise, so that JPEG has something to do."""
    y, x = np.mgrid[0:height, 0:width] / 20
    waves = [np.sin(3 * x + i) * np.cos(2 * y - i) + 0.1 * draw.standard_normal((height, width)) for i in range(channels)]
    return np.clip((np.stack(waves, -1) / 2 + 0.5) * top, 0, top).astype(np.uint16 if top > 255 else np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, depth, colour, palette=None, transparency=None, exif=None):
    """A PNG from samples (H, W, C); every row with another filter."""
    height, width, channels = pixels.shape
    rows = []
    for row in pixels:
        if depth == 16:
            rows.append(row.astype(">u2").tobytes())
        elif depth == 8:
            rows.append(row.astype(np.uint8).tobytes())
        else:
            bits = ((row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
            rows.append(np.packbits(bits).tobytes())
    step = max(1, channels * depth // 8)
    data, above = b"", bytes(len(rows[0]))
    for y, row in enumerate(rows):
        kind = y % 5
        out = bytearray()
        for i, value in enumerate(row):
            a = row[i - step] if i >= step else 0
            b = above[i]
            c = above[i - step] if i >= step else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            out.append((value - [0, a, b, (a + b) // 2, nearest][kind]) % 256)
        data += bytes([kind]) + bytes(out)
        above = row
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))]
    if palette is not None:
        parts.append(chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
    if transparency is not None:
        parts.append(chunk(b"tRNS", transparency))
    if exif is not None:
        parts.append(chunk(b"eXIf", exif))
    packed = zlib.compress(data)
    parts += [chunk(b"IDAT", packed[: len(packed) // 2]), chunk(b"IDAT", packed[len(packed) // 2 :]), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def orientation(value, order=">"):
    head = b"MM\0*" if order == ">" else b"II*\0"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, value, 0, 0)


def saved(pixels, form, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, form, **options)
    return buffer.getvalue()


palette = draw.integers(0, 256, (16, 3))
files = {
    "grey8.png": png(smooth(11, 9, 1), 8, 0),
    "grey1.png": png(draw.integers(0, 2, (7, 11, 1)), 1, 0),
    "grey2.png": png(draw.integers(0, 4, (7, 11, 1)), 2, 0),
    "grey4.png": png(draw.integers(0, 16, (7, 11, 1)), 4, 0),
    "grey16.png": png(smooth(7, 6, 1, 65535), 16, 0),
    "grey8-transparent.png": png(draw.integers(0, 4, (6, 5, 1)), 8, 0, transparency=b"\0\2"),
    "grey-alpha8.png": png(smooth(7, 6, 2), 8, 4),
    "grey-alpha16.png": png(smooth(7, 6, 2, 65535), 16, 4),
    "rgb8.png": png(smooth(11, 9, 3), 8, 2),
    "rgb16.png": png(smooth(7, 6, 3, 65535), 16, 2),
    "rgb8-transparent.png": png(draw.integers(0, 2, (6, 5, 3)), 8, 2, transparency=b"\0\1\0\0\0\1"),
    "rgba8.png": png(smooth(11, 9, 4), 8, 6),
    "rgba16.png": png(smooth(7, 6, 4, 65535), 16, 6),
    "palette8.png": png(draw.integers(0, 16, (7, 6, 1)), 8, 3, palette),
    "palette4.png": png(draw.integers(0, 16, (7, 5, 1)), 4, 3, palette),
    "palette1.png": png(draw.integers(0, 2, (5, 11, 1)), 1, 3, palette[:2]),
    "palette-transparent.png": png(draw.integers(0, 4, (6, 5, 1)), 2, 3, palette[:4], bytes([0, 100, 255])),
    "one.png": png(smooth(1, 1, 3), 8, 2),
    "turned.png": png(smooth(5, 7, 3), 8, 2, exif=orientation(6)),
    "rgb.jpg": saved(smooth(20, 25, 3), "JPEG", quality=90),
    "rgb-444.jpg": saved(smooth(16, 16, 3), "JPEG", quality=95, subsampling=0),
    "progressive.jpg": saved(smooth(17, 33, 3), "JPEG", quality=80, progressive=True),
    "grey.jpg": saved(smooth(15, 19, 1), "JPEG", quality=90),
    "turned.jpg": saved(smooth(12, 20, 3), "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0" + orientation(8, "<")),
    "rgb.webp": saved(smooth(14, 13, 3), "WEBP", lossless=True),
    "rgba.webp": saved(smooth(14, 13, 4), "WEBP", lossless=True, exact=True),
    "lossy.webp": saved(smooth(16, 20, 3), "WEBP", quality=90),
    "still.gif": saved(smooth(9, 12, 3), "GIF"),
}
frames = [Image.fromarray(smooth(8, 10, 3)).quantize(16, dither=0) for _ in range(3)]
buffer = io.BytesIO()
frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], disposal=1, duration=50)
files["moving.gif"] = buffer.getvalue()
# Interlacing is left to Pillow's reader: it does not write it.


def pixels(read):
    try:
        out = read()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    data = out.numpy()
    return {"dtype": str(out.dtype)[6:], "shape": list(out.shape), "data": base64.b64encode(zlib.compress(data.tobytes(), 9)).decode()}


golden = {}
for name, data in files.items():
    tensor = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    golden[name] = {"file": base64.b64encode(data).decode()}
    for mode in MODES:
        golden[name][mode] = pixels(lambda: tio.decode_image(tensor, mode))
    if "turned" in name:
        golden[name]["oriented"] = pixels(lambda: tio.decode_image(tensor, "RGB", apply_exif_orientation=True))
    if "--show" in sys.argv:
        print(name, {m: golden[name][m].get("error") or golden[name][m]["shape"] for m in MODES}, golden[name]["UNCHANGED"].get("dtype"))
path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test/vision/images.json")
with open(path, "w") as file:
    file.write(json.dumps(golden, indent=1) + "\n")
