/** Reductions of ten million elements to one, along the inner dimension and along the outer one. */
import type { Tensor } from "../../src/index.ts";
import { type Expression, expression, type Row, uniform } from "../row.ts";

type Programs = Pick<Expression, "kindling" | "pytorch" | "tfjs" | "jax" | "onnx">;

interface Reduction {
  readonly name: string;
  readonly kindling: (x: Tensor, dim?: number) => Tensor;
  /** Of a dimension's text, or of an empty one. */
  readonly pytorch: (dim: string) => string;
  /** The name of the function in the JavaScript libraries. */
  readonly javascript: "sum" | "max" | "mean";
  readonly onnx: string;
}

const list: readonly Reduction[] = [
  {
    name: "sum",
    kindling: (x, dim) => (dim === undefined ? x.sum() : x.sum(dim)),
    pytorch: (dim) => `x.sum(${dim})`,
    javascript: "sum",
    onnx: "ReduceSum",
  },
  {
    // Along a dimension it finds the places too; the other libraries need not.
    name: "max",
    kindling: (x, dim) => (dim === undefined ? x.max() : x.max(dim).values),
    pytorch: (dim) => (dim === "" ? "x.max()" : `x.max(${dim}).values`),
    javascript: "max",
    onnx: "ReduceMax",
  },
  {
    name: "mean",
    kindling: (x, dim) => (dim === undefined ? x.mean() : x.mean(dim)),
    pytorch: (dim) => `x.mean(${dim})`,
    javascript: "mean",
    onnx: "ReduceMean",
  },
];

function programs({ kindling, pytorch, javascript, onnx }: Reduction, dim?: number): Programs {
  return {
    kindling: ({ x }) => kindling(x, dim),
    pytorch: pytorch(String(dim ?? "")),
    tfjs: (tf, { x }) => tf[javascript](x, dim),
    jax: ({ numpy }, { x }) => numpy[javascript](x, dim ?? null),
    onnx: (graph, { x }) => graph.apply(onnx, dim === undefined ? [x] : [x, graph.integers(dim)], { keepdims: 0 }),
  };
}

function rowsOf(reduction: Reduction): Row[] {
  const { name } = reduction;
  const inputs = { x: uniform([2500, 4000]) };
  return [
    expression({ name: `${name}, 1M`, inputs: { x: uniform([2 ** 20]) }, ...programs(reduction) }),
    expression({ name: `${name}, 10M`, inputs, ...programs(reduction), bar: 1 }),
    expression({ name: `${name} over dim 1, 2500×4000`, inputs, ...programs(reduction, 1), bar: 1 }),
    expression({ name: `${name} over dim 0, 2500×4000`, inputs, ...programs(reduction, 0), bar: 1 }),
  ];
}

export const reductions: readonly Row[] = list.flatMap(rowsOf);
