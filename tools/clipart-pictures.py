"""The clip art that the checkpoint of examples/finetune-resnet18 was pretrained on, beside Fashion-MNIST.

It is the Open Clip Art Library's (public domain), as Debian packages it:

    apt-get download openclipart-png && dpkg-deb -x openclipart-png_*.deb clipart
    python3 tools/clipart-pictures.py clipart/usr/share/openclipart/png pretraining.npz

writes 80x80 pictures with their folders as labels. Animals, food, plants, houses, flags, road signs and smileys are left
out, so that there are pictures in that library to try fine-tuning on. Needs Python with Pillow and numpy.
"""

import hashlib
import os
import sys

import numpy as np
from PIL import Image

SIZE = 80
LEFT_OUT = (
    "animals",
    "food",
    "plants",
    "buildings",
    "unsorted",
    "signs_and_symbols/flags",
    "transportation/roadsigns",
    "transportation/vehicles",
    "people/smilies",
    "signs_and_symbols/map_symbols",
    "special/",
)


def picture(path):
    """The picture on white, cut to what is drawn, as a square; None where it is empty or damaged."""
    try:
        image = Image.open(path)
        image.draft("RGB", (400, 400))
        image = image.convert("RGBA")
    except Exception:
        return None
    image.thumbnail((400, 400))
    box = image.getchannel("A").point(lambda a: 255 if a > 8 else 0).getbbox()
    if box is None:
        return None
    image = image.crop(box)
    longest = max(image.size)
    scale = (SIZE - 6) / longest
    image = image.resize([max(1, round(side * scale)) for side in image.size], Image.LANCZOS)
    square = Image.new("RGBA", (SIZE, SIZE), "white")
    square.alpha_composite(image, ((SIZE - image.width) // 2, (SIZE - image.height) // 2))
    square = square.convert("RGB")
    return square if np.asarray(square).std() > 8 else None


def fingerprint(image):
    """Equal for pictures that are alike: each of 8x8 cells in 8 levels of red, green and blue."""
    small = np.asarray(image.resize((8, 8), Image.BOX)).astype(int)
    return hashlib.md5((small // 32).tobytes()).hexdigest()


def pictures(root, folder, seen):
    for name in sorted(os.listdir(os.path.join(root, folder))):
        if not name.endswith(".png"):
            continue
        image = picture(os.path.join(root, folder, name))
        if image is None or fingerprint(image) in seen:
            continue
        seen.add(fingerprint(image))
        yield name, image


def main():
    root, archive = sys.argv[1:]
    Image.MAX_IMAGE_PIXELS = None
    seen = set()
    images, labels, names = [], [], []
    for folder, _, files in sorted(os.walk(root)):
        folder = os.path.relpath(folder, root)
        if folder.startswith(LEFT_OUT) or sum(f.endswith(".png") for f in files) < 15:
            continue
        found = [np.asarray(image) for _, image in pictures(root, folder, seen)]
        if len(found) >= 12:
            images += found
            labels += [len(names)] * len(found)
            names.append(folder)
            print(folder, len(found))
    np.savez_compressed(archive, images=np.stack(images), labels=np.array(labels), names=np.array(names))
    print(len(images), "pictures,", len(names), "labels for pretraining")


main()
