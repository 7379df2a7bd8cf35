"""What torchvision.datasets gives, and pickles as CIFAR has them: test/vision/datasets.json. Run it with a Python that has torchvision."""

import base64
import json
import os
import pickle
import zlib

import numpy as np
import torchvision.datasets as datasets


def samples(dataset):
    return [{"mode": i.mode, "pixels": list(i.tobytes()), "target": t} for i, t in (dataset[k] for k in range(len(dataset)))]


golden = {
    "fake": samples(datasets.FakeData(4, (3, 5, 4), num_classes=7, random_offset=3)),
    "grey": samples(datasets.FakeData(2, (1, 20, 20), num_classes=100)),
}
data = (np.arange(2 * 3072).reshape(2, 3072) % 251).astype(np.uint8)
for protocol in (2, 4):
    batch = {"batch_label": "training batch 1 of 5", "labels": [3, 9], "data": data, "filenames": ["a.png", "b.png"]}
    golden[f"pickle{protocol}"] = base64.b64encode(zlib.compress(pickle.dumps(batch, protocol=protocol))).decode()
path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test/vision/datasets.json")
with open(path, "w") as file:
    json.dump(golden, file)
    file.write("\n")
