/** One million elements: pointwise ops, reductions, scans, sorting, gathering. */
import * as torch from "../../src/index.ts";
import { gelu } from "../../src/nn/functional.ts";
import { labels, type Row, uniform } from "../row.ts";

type T = torch.Tensor;

/** A row with one float input `x`. */
function on(name: string, shape: readonly number[], step: (x: T) => T, pytorch: string, scale?: number): Row {
  return {
    name,
    inputs: { x: uniform(shape, scale) },
    kindling:
      ({ x }) =>
      () =>
        step(x),
    pytorch,
  };
}

const million = [2 ** 20];
const square = [1024, 1024];
const half = [512, 512];

export const elementwise: readonly Row[] = [
  {
    name: "add, 1M",
    inputs: { a: uniform(million), b: uniform(million) },
    kindling:
      ({ a, b }) =>
      () =>
        torch.add(a, b),
    pytorch: "torch.add(a, b)",
  },
  on("relu, 1M", million, (x) => torch.relu(x), "torch.relu(x)"),
  on("exp, 1M", million, (x) => torch.exp(x), "torch.exp(x)", 4),
  on("tanh, 1M", million, (x) => torch.tanh(x), "torch.tanh(x)", 4),
  on("sigmoid, 1M", million, (x) => torch.sigmoid(x), "torch.sigmoid(x)", 4),
  on("gelu, 1M", million, (x) => gelu(x), "F.gelu(x)", 4),
  on("sum, 1M", million, (x) => x.sum(), "x.sum()"),
  on("max, 1M", million, (x) => x.max(), "x.max()"),
  on("mean, 1M", million, (x) => x.mean(), "x.mean()"),
  on("sum over dim 0, 1024²", square, (x) => x.sum(0), "x.sum(0)"),
  on("sum over dim 1, 1024²", square, (x) => x.sum(1), "x.sum(1)"),
  on("softmax, 512²", half, (x) => torch.softmax(x, -1), "torch.softmax(x, -1)", 4),
  on("log_softmax, 512²", half, (x) => torch.log_softmax(x, -1), "torch.log_softmax(x, -1)", 4),
  {
    name: "layer_norm, 512²",
    inputs: { x: uniform(half), w: uniform([512]), b: uniform([512]) },
    kindling:
      ({ x, w, b }) =>
      () =>
        torch.layer_norm(x, [512], w, b),
    pytorch: "F.layer_norm(x, [512], w, b)",
  },
  on("cumsum, 1M", million, (x) => x.cumsum(0), "x.cumsum(0)"),
  on("sort, 100k", [100_000], (x) => x.sort().values, "x.sort().values"),
  {
    name: "index_select, 4096 rows of 128",
    inputs: { x: uniform([10_000, 128]), index: labels([4096], 10_000) },
    kindling:
      ({ x, index }) =>
      () =>
        x.index_select(0, index),
    pytorch: "x.index_select(0, index)",
  },
];
