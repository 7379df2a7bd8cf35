"""Writes test/memory/peaks.json: the most memory that the tensors of a training step take in PyTorch.

    python3 tools/golden-memory.py

Each program makes a network and its data, trains two steps so that gradients and optimizer states exist, and then one
that counts. The profiler reports every allocation of PyTorch's CPU allocator, so what is counted are the tensors and the
workspaces that PyTorch takes from it, parameters, data and states included.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile

torch.set_num_threads(1)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.heads = heads

    def forward(self, x):
        batch, length, width = x.shape
        heads = lambda t: t.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        q, k, v = map(heads, self.attention(self.norm1(x)).split(width, 2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self, vocabulary, context, layers, width, heads):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def sgd(net):
    return torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)


def lenet(batch):
    net = LeNet()
    return net, sgd(net), nn.CrossEntropyLoss(), torch.rand(batch, 1, 32, 32), torch.randint(0, 10, (batch,))


def mlp():
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return (
        net,
        torch.optim.Adam(net.parameters(), lr=1e-3),
        nn.CrossEntropyLoss(),
        torch.rand(128, 784),
        torch.randint(0, 10, (128,)),
    )


def gpt():
    net = Gpt(VOCABULARY, CONTEXT, 4, 128, 4)
    criterion = lambda logits, target: F.cross_entropy(logits.flatten(0, 1), target.flatten())
    tokens = lambda: torch.randint(0, VOCABULARY, (8, CONTEXT))
    return net, torch.optim.AdamW(net.parameters(), lr=1e-3), criterion, tokens(), tokens()


def resnet18(batch, size):
    from torchvision.models import resnet18

    net = resnet18()
    return net, sgd(net), nn.CrossEntropyLoss(), torch.rand(batch, 3, size, size), torch.randint(0, 1000, (batch,))


VOCABULARY = 65
CONTEXT = 128
PROGRAMS = {
    "LeNet, batch 4": lambda: lenet(4),
    "LeNet, batch 64": lambda: lenet(64),
    "MLP, batch 128": mlp,
    "GPT, batch 8": gpt,
    "ResNet-18, batch 16 at 64": lambda: resnet18(16, 64),
    "ResNet-18, batch 8 at 224": lambda: resnet18(8, 224),
}


def peak(make):
    """The peak in bytes: the profiler runs from before the first tensor, and the steps before the last one are left out."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as p:
        net, optimizer, criterion, x, y = make()
        for step in range(3):
            with torch.profiler.record_function(f"step {step}"):
                optimizer.zero_grad()
                loss = criterion(net(x), y)
                loss.backward()
                optimizer.step()
                del loss
    events = p.profiler.kineto_results.events()
    start = next(e.start_ns() for e in events if e.name() == "step 2")
    total = most = 0
    for e in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        total += e.nbytes()
        if e.start_ns() >= start:
            most = max(most, total)
    return most


if __name__ == "__main__":
    peaks = {name: peak(make) for name, make in PROGRAMS.items()}
    target = pathlib.Path(__file__).parent.parent / "test/memory/peaks.json"
    target.write_text(json.dumps({"torch": torch.__version__.split("+")[0], "peaks": peaks}, indent=2) + "\n")
    for name, most in peaks.items():
        print(f"{name}: {most / 2**20:.2f} MiB")
