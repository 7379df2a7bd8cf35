/** The training loop with an optimizer, and with several of them compared. Run: npm run example optimizer-loop */
import * as torch from "kindling";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";
import { DataLoader, TensorDataset } from "kindling/utils/data";

// Points in a square, labelled by whether they lie in a disc.
torch.manual_seed(0);
const points = torch.rand(512, 2).mul(2).sub(1);
const radius = points.square().sum(1).sqrt();
const labels = radius.lt(0.7).to(torch.int64);
const dataset = new TensorDataset(points, labels);

function makeNet(): nn.Module & ((x: torch.Tensor) => torch.Tensor) {
  torch.manual_seed(1);
  return new nn.Sequential(
    new nn.Linear(2, 32),
    new nn.Tanh(),
    new nn.Linear(32, 32),
    new nn.Tanh(),
    new nn.Linear(32, 2),
  );
}

const criterion = new nn.CrossEntropyLoss();
for (const [name, create] of [
  ["SGD", (p: Iterable<torch.Tensor>) => new optim.SGD(p, { lr: 0.1, momentum: 0.9 })],
  ["Adam", (p: Iterable<torch.Tensor>) => new optim.Adam(p, { lr: 0.01 })],
  ["RMSprop", (p: Iterable<torch.Tensor>) => new optim.RMSprop(p, { lr: 0.005 })],
] as const) {
  const net = makeNet();
  const optimizer = create(net.parameters());
  let last = 0;
  for (let epoch = 0; epoch < 40; epoch++) {
    for await (const [input, target] of new DataLoader(dataset, { batch_size: 32, shuffle: true })) {
      optimizer.zero_grad(); // zero the gradient buffers
      const output = net(input);
      const loss = criterion(output, target);
      loss.backward();
      optimizer.step(); // does the update
      last = loss.item() as number;
    }
  }
  const right = torch.no_grad(() => net(points).argmax(1).eq(labels).sum().item() as number);
  console.log(`${name.padEnd(8)} last loss ${last.toFixed(3)}, right ${((100 * right) / 512).toFixed(1)} %`);
}
