/** The networks of the training rows. `rows/training.ts` has the same in Python. */
import * as torch from "../src/index.ts";
import * as F from "../src/nn/functional.ts";
import * as nn from "../src/nn/index.ts";
import * as optim from "../src/optim/index.ts";

type T = torch.Tensor;

/** The convolutional network of PyTorch's 60-minute introduction, for one channel. */
class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);

  override forward(x: T): T {
    x = F.max_pool2d(torch.relu(this.conv1(x)), 2);
    x = F.max_pool2d(torch.relu(this.conv2(x)), 2);
    x = torch.flatten(x, 1);
    x = torch.relu(this.fc1(x));
    x = torch.relu(this.fc2(x));
    return this.fc3(x);
  }
}

export function makeLeNet() {
  const net = new LeNet();
  const optimizer = new optim.SGD(net.parameters(), { lr: 1e-3, momentum: 0.9 });
  return { net, optimizer, criterion: new nn.CrossEntropyLoss() };
}

export function makeMlp() {
  const net = new nn.Sequential(
    new nn.Linear(784, 512),
    new nn.ReLU(),
    new nn.Linear(512, 512),
    new nn.ReLU(),
    new nn.Linear(512, 10),
  );
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 });
  return { net, optimizer, criterion: new nn.CrossEntropyLoss() };
}
