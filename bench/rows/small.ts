/** Calls on tiny tensors: what a call costs beside its arithmetic. */
import * as torch from "../../src/index.ts";
import { expression, type Row, uniform } from "../row.ts";

const four = uniform([4]);
const BAR = 1.3;

export const small: readonly Row[] = [
  expression({
    name: "add, 4 elements",
    inputs: { a: four, b: four },
    kindling: ({ a, b }) => torch.add(a, b),
    pytorch: "torch.add(a, b)",
    tfjs: (tf, { a, b }) => tf.add(a, b),
    jax: ({ numpy }, { a, b }) => numpy.add(a, b),
    onnx: (graph, { a, b }) => graph.apply("Add", [a, b]),
    bar: BAR,
  }),
  {
    name: "add, 4 elements, with grad",
    inputs: { a: four, b: four },
    kindling: ({ a, b }) => {
      a.requires_grad_();
      return () => torch.add(a, b);
    },
    pytorch: "a.requires_grad_()\ntorch.add(a, b)",
    bar: BAR,
  },
  expression({
    name: "mul by a number, 4 elements",
    inputs: { a: four },
    kindling: ({ a }) => a.mul(2),
    pytorch: "a.mul(2)",
    tfjs: (tf, { a }) => tf.mul(a, 2),
    jax: (_, { a }) => a.mul(2),
    onnx: (graph, { a }) => graph.apply("Mul", [a, graph.constant([], Float32Array.of(2))]),
  }),
  expression({
    name: "sum, 4 elements",
    inputs: { a: four },
    kindling: ({ a }) => a.sum(),
    pytorch: "a.sum()",
    tfjs: (tf, { a }) => tf.sum(a),
    jax: ({ numpy }, { a }) => numpy.sum(a),
    onnx: (graph, { a }) => graph.apply("ReduceSum", [a], { keepdims: 0 }),
  }),
  expression({
    name: "view 4 elements as 2×2",
    inputs: { a: four },
    kindling: ({ a }) => a.view(2, 2),
    pytorch: "a.view(2, 2)",
  }),
];
