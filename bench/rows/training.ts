/** Whole training steps: forward, loss, backward, update. */
import type { Tensor } from "../../src/index.ts";
import { labels, type Row, uniform } from "../row.ts";

function lenet(batch: number): Row {
  return {
    name: `LeNet, SGD step, batch ${batch}`,
    inputs: { images: uniform([batch, 1, 32, 32]), target: labels([batch], 10) },
    // The first steps agree to the last bits; then training amplifies rounding.
    tolerance: 1e-3,
    kindling: async ({ images, target }) => {
      const { makeLeNet } = await import("../networks.ts");
      return trainingStep(makeLeNet(), images, target);
    },
    pytorch: `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
criterion = nn.CrossEntropyLoss()
def step():
    optimizer.zero_grad()
    loss = criterion(net(images), target)
    loss.backward()
    optimizer.step()
    return loss`,
  };
}

const mlp: Row = {
  name: "MLP 784-512-512-10, Adam step, batch 128",
  inputs: { images: uniform([128, 784]), target: labels([128], 10) },
  tolerance: 1e-3,
  kindling: async ({ images, target }) => {
    const { makeMlp } = await import("../networks.ts");
    return trainingStep(makeMlp(), images, target);
  },
  pytorch: `
net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
def step():
    optimizer.zero_grad()
    loss = criterion(net(images), target)
    loss.backward()
    optimizer.step()
    return loss`,
};

interface Training {
  readonly net: (input: Tensor) => Tensor;
  readonly optimizer: { zero_grad(): void; step(): unknown };
  readonly criterion: (output: Tensor, target: Tensor) => Tensor;
}

function trainingStep({ net, optimizer, criterion }: Training, images: Tensor, target: Tensor): () => Tensor {
  return () => {
    optimizer.zero_grad();
    const loss = criterion(net(images), target);
    loss.backward();
    optimizer.step();
    return loss;
  };
}

export const training: readonly Row[] = [lenet(4), lenet(64), mlp];
