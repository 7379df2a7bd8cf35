/** Reductions of ten million elements to one, along the inner dimension and along the outer one. */
import type { Tensor } from "../../src/index.ts";
import { expression, type Row, uniform } from "../row.ts";

interface Reduction {
  readonly name: string;
  readonly all: (x: Tensor) => Tensor;
  readonly along: (x: Tensor, dim: number) => Tensor;
  readonly pytorchAlong: (dim: number) => string;
}

const reductions_: readonly Reduction[] = [
  { name: "sum", all: (x) => x.sum(), along: (x, dim) => x.sum(dim), pytorchAlong: (dim) => `x.sum(${dim})` },
  {
    name: "max",
    all: (x) => x.max(),
    along: (x, dim) => x.max(dim).values,
    pytorchAlong: (dim) => `x.max(${dim}).values`,
  },
  { name: "mean", all: (x) => x.mean(), along: (x, dim) => x.mean(dim), pytorchAlong: (dim) => `x.mean(${dim})` },
];

function rowsOf({ name, all, along, pytorchAlong }: Reduction): Row[] {
  const inputs = { x: uniform([2500, 4000]) };
  return [
    expression({
      name: `${name}, 1M`,
      inputs: { x: uniform([2 ** 20]) },
      kindling: ({ x }) => all(x),
      pytorch: `x.${name}()`,
    }),
    expression({ name: `${name}, 10M`, inputs, kindling: ({ x }) => all(x), pytorch: `x.${name}()`, bar: 1 }),
    expression({
      name: `${name} over dim 1, 2500×4000`,
      inputs,
      kindling: ({ x }) => along(x, 1),
      pytorch: pytorchAlong(1),
      bar: 1,
    }),
    expression({
      name: `${name} over dim 0, 2500×4000`,
      inputs,
      kindling: ({ x }) => along(x, 0),
      pytorch: pytorchAlong(0),
      bar: 1,
    }),
  ];
}

export const reductions: readonly Row[] = reductions_.flatMap(rowsOf);
