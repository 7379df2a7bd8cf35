/** Layers, forward and backward, at the sizes of the small convolutional network. */
import * as torch from "../../src/index.ts";
import { conv2d, max_pool2d } from "../../src/nn/functional.ts";
import { type Input, labels, type Row, uniform } from "../row.ts";

type T = torch.Tensor;

/** Runs `forward`, then backward from `g`, and gives the result and the gradients of `leaves`. */
function withBackward(leaves: readonly T[], g: T, forward: () => T): () => readonly T[] {
  for (const leaf of leaves) leaf.requires_grad_();
  return () => {
    for (const leaf of leaves) leaf.grad = null;
    const y = forward();
    y.backward(g);
    return [y, ...leaves.map((leaf) => leaf.grad as T)];
  };
}

/** The same in Python. */
function backwardProgram(leaves: string, forward: string): string {
  return `
leaves = [${leaves}]
for leaf in leaves:
    leaf.requires_grad_()
def step():
    for leaf in leaves:
        leaf.grad = None
    y = ${forward}
    y.backward(g)
    return [y, *(leaf.grad for leaf in leaves)]`;
}

function convolution(input: readonly [number, number, number, number], channels: number, kernel: number): Row[] {
  const [n, c, h, w] = input;
  const inputs: Record<string, Input> = {
    x: uniform(input),
    w: uniform([channels, c, kernel, kernel], 0.2),
    b: uniform([channels], 0.2),
  };
  const title = `conv2d ${c}→${channels}, ${kernel}×${kernel}, ${n}×${c}×${h}×${w}`;
  return [
    {
      name: title,
      inputs,
      kindling:
        ({ x, w, b }) =>
        () =>
          conv2d(x, w, b),
      pytorch: "F.conv2d(x, w, b)",
    },
    {
      name: `${title}, forward and backward`,
      inputs: { ...inputs, g: uniform([n, channels, h - kernel + 1, w - kernel + 1]) },
      kindling: ({ x, w, b, g }) => withBackward([x, w, b], g, () => conv2d(x, w, b)),
      pytorch: backwardProgram("x, w, b", "F.conv2d(x, w, b)"),
    },
  ];
}

export const layers: readonly Row[] = [
  ...convolution([64, 1, 32, 32], 6, 5),
  ...convolution([64, 6, 14, 14], 16, 5),
  {
    name: "max_pool2d 2×2, 64×6×28×28, forward and backward",
    inputs: { x: uniform([64, 6, 28, 28]), g: uniform([64, 6, 14, 14]) },
    kindling: ({ x, g }) => withBackward([x], g, () => max_pool2d(x, 2)),
    pytorch: backwardProgram("x", "F.max_pool2d(x, 2)"),
  },
  {
    name: "batch_norm in training, 64×6×28×28",
    inputs: { x: uniform([64, 6, 28, 28]), w: uniform([6]), b: uniform([6]) },
    kindling: ({ x, w, b }) => {
      const mean = torch.zeros(6);
      const variance = torch.ones(6);
      return () => torch.batch_norm(x, w, b, mean, variance, true, 0.1, 1e-5);
    },
    pytorch: `
mean, variance = torch.zeros(6), torch.ones(6)
def step():
    return F.batch_norm(x, mean, variance, w, b, True, 0.1, 1e-5)`,
  },
  {
    name: "cross_entropy 64×10, forward and backward",
    inputs: { x: uniform([64, 10], 4), target: labels([64], 10) },
    kindling: async ({ x, target }) => {
      const { cross_entropy } = await import("../../src/nn/functional.ts");
      x.requires_grad_();
      return () => {
        x.grad = null;
        const loss = cross_entropy(x, target);
        loss.backward();
        return [loss, x.grad as unknown as T];
      };
    },
    pytorch: `
x.requires_grad_()
def step():
    x.grad = None
    loss = F.cross_entropy(x, target)
    loss.backward()
    return [loss, x.grad]`,
  },
];
