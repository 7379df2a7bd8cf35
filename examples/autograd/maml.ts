/**
 * Model-agnostic meta-learning (Finn, Abbeel and Levine, 2017, https://arxiv.org/abs/1703.03400): weights from which one
 * step of gradient descent on ten points learns a new sine. The outer gradient goes through the inner step, which is
 * itself a gradient; vmap runs all tasks at once. Run: npm run example autograd/maml
 */
import { mkdir, writeFile } from "node:fs/promises";
import * as torch from "kindling";

const { func, nn } = torch;
type Tensor = torch.Tensor;
type Weights = Record<string, Tensor>;

torch.manual_seed(0);
const net = new nn.Sequential(
  new nn.Linear(1, 40),
  new nn.ReLU(),
  new nn.Linear(40, 40),
  new nn.ReLU(),
  new nn.Linear(40, 1),
);
const INNER_RATE = 0.02;

const loss = (weights: Weights, x: Tensor, y: Tensor): Tensor =>
  func.functional_call(net, weights, [x]).sub(y).square().mean();

/** Weights after one step of gradient descent on the points of a task. */
function adapt(weights: Weights, x: Tensor, y: Tensor): Weights {
  const gradients = func.grad(loss)(weights, x, y);
  return Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, w.sub(gradients[name].mul(INNER_RATE))]));
}

/** How well the adapted weights do on other points of the same task. */
const metaLoss = (weights: Weights, x: Tensor, y: Tensor, newX: Tensor, newY: Tensor): Tensor =>
  loss(adapt(weights, x, y), newX, newY);

/** Points of `count` sines with amplitudes from 0.1 to 5 and any phase, shapes (count, points, 1): to learn from, and others. */
function tasks(count: number, points = 10): [x: Tensor, y: Tensor, newX: Tensor, newY: Tensor] {
  const amplitude = torch.rand(count, 1, 1).mul(4.9).add(0.1);
  const phase = torch.rand(count, 1, 1).mul(Math.PI);
  const sine = (x: Tensor): Tensor => x.sub(phase).sin().mul(amplitude);
  const [x, newX] = [torch.rand(count, points, 1), torch.rand(count, points, 1)].map((r) => r.mul(10).sub(5));
  return [x, sine(x), newX, sine(newX)];
}

const options = { in_dims: [null, 0, 0, 0, 0] };
const averageLoss = (weights: Weights, ...task: [Tensor, Tensor, Tensor, Tensor]): Tensor =>
  func
    .vmap(metaLoss, options)(weights, ...task)
    .mean();

const steps = process.argv.includes("--quick") ? 200 : 1500;
const optimizer = new torch.optim.Adam(net.parameters(), { lr: 0.005 });
const weightsNow = (): Weights =>
  Object.fromEntries([...net.named_parameters()].map(([name, p]) => [name, p.detach()]));
for (let step = 0; step <= steps; step++) {
  const [gradients, value] = func.grad_and_value(averageLoss)(weightsNow(), ...tasks(8));
  for (const [name, p] of net.named_parameters()) p.grad = gradients[name];
  optimizer.step();
  if (step % (steps / 5) === 0)
    console.log(`step ${String(step).padStart(4)}: loss after adapting ${(value.item() as number).toFixed(3)}`);
}

// Tasks that it has not seen, before and after their ten points.
const weights = weightsNow();
const unseen = tasks(200);
const before = func
  .vmap(loss, { in_dims: [null, 0, 0] })(weights, unseen[2], unseen[3])
  .mean();
console.log(
  `new sines: error ${(before.item() as number).toFixed(2)} before, ${(averageLoss(weights, ...unseen).item() as number).toFixed(2)} after one step`,
);

// A picture of three of them.
const grid = torch.linspace(-5, 5, 101).unsqueeze(1);
const charts = [0, 1, 2].map((i) => {
  const [x, y] = [unseen[0].at(i), unseen[1].at(i)];
  const place = (px: number, py: number): string => `${(px + 5) * 24 + i * 260 + 10},${(150 - py * 24).toFixed(1)}`;
  const line = (w: Weights, color: string): string => {
    const values = func.functional_call(net, w, [grid]).flatten().tolist() as number[];
    return `<polyline points="${values.map((v, k) => place(-5 + k / 10, v)).join(" ")}" fill="none" stroke="${color}" stroke-width="2"/>`;
  };
  const xs = x.flatten().tolist() as number[];
  const dots = (y.flatten().tolist() as number[]).map((v, k) => {
    const [cx, cy] = place(xs[k], v).split(",");
    return `<circle cx="${cx}" cy="${cy}" r="4"/>`;
  });
  return `${line(weights, "#bbb")}${line(adapt(weights, x, y), "#c33")}${dots.join("")}`;
});
await mkdir("demo-output", { recursive: true });
await writeFile(
  "demo-output/maml.svg",
  `<svg xmlns="http://www.w3.org/2000/svg" width="790" height="300"><rect width="790" height="300" fill="white"/>${charts.join("\n")}</svg>\n`,
);
console.log("before (grey) and after (red) one step on ten points: demo-output/maml.svg");
