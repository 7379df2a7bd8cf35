"""Golden losses of a training run, made by real PyTorch. Run with a Python that has PyTorch:

    python3 tools/golden-training.py       writes test/golden/training.json

The network of the notes with one input channel and 32×32 images; 200 steps of SGD (lr 0.01, momentum 0.9) with
CrossEntropyLoss. Everything comes from one seed, drawn in this order:

    torch.manual_seed(0)
    net = Net()
    for each step:
        labels = torch.randint(0, 10, (16,))
        images = torch.rand(16, 1, 32, 32)
        for each sample i: images[i, 0, 3 * label : 3 * label + 3] += 0.75     (a brighter bar, so that there is something to learn)

The file holds the losses, the sha256 of the initial weights (little-endian float32 bytes, in the order of state_dict), of the first
batch, and of the labels of all steps (int64 bytes).
"""
import hashlib
import json
import os

import torch
import torch.nn.functional as F
from torch import nn

STEPS = 200


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def digest(tensors):
    sha = hashlib.sha256()
    for t in tensors:
        sha.update(t.detach().contiguous().numpy().tobytes())
    return sha.hexdigest()


def batch():
    labels = torch.randint(0, 10, (16,))
    images = torch.rand(16, 1, 32, 32)
    for i in range(16):
        label = labels[i].item()
        images[i, 0, 3 * label: 3 * label + 3] += 0.75
    return images, labels


def train(dtype):
    torch.manual_seed(0)
    net = Net()
    weights = digest(net.state_dict().values())
    net = net.to(dtype)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    losses, all_labels, first = [], [], None
    for _ in range(STEPS):
        images, labels = batch()
        all_labels.append(labels)
        first = first or digest([images])
        optimizer.zero_grad()
        loss = criterion(net(images.to(dtype)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"weights_sha256": weights, "first_images_sha256": first, "labels_sha256": digest(all_labels), "losses": losses}


def main():
    torch.set_num_threads(1)
    result = train(torch.float32)
    # The same run in float64 shows how far rounding alone carries a float32 run away from itself.
    result["losses_float64"] = train(torch.float64)["losses"]
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "golden", "training.json")
    with open(path, "w") as f:
        json.dump(result, f, indent=0)
        f.write("\n")
    losses, exact = result["losses"], result["losses_float64"]
    apart = [abs(a - b) / b for a, b in zip(losses, exact)]
    print(f"first {losses[0]:.4f} last {losses[-1]:.4f}; against float64: {max(apart[:50]):.1e} in 50 steps, {max(apart):.1e} in {STEPS}")


if __name__ == "__main__":
    main()
