/** Pointwise operations on vectors that fit into the cache (a million elements) and on such that do not (ten millions). */
import type * as jax from "@jax-js/jax";
import * as torch from "../../src/index.ts";
import { gelu } from "../../src/nn/functional.ts";
import { type Expression, expression, type Inputs, type JaxArray, type Row, type Tensors, uniform } from "../row.ts";

interface Operation extends Pick<Expression, "kindling" | "pytorch" | "tfjs" | "jax" | "onnx"> {
  readonly name: string;
  readonly inputs: (length: number) => Inputs;
  /** The same into memory that exists: in `out`, or in place. */
  readonly reusing?: {
    readonly name: string;
    readonly kindling: (inputs: Tensors) => torch.Tensor;
    readonly pytorch: string;
  };
}

/** Within the range where functions such as tanh do not yet saturate. */
const one = (length: number): Inputs => ({ x: uniform([length], 4) });
const two = (length: number): Inputs => ({ a: uniform([length]), b: uniform([length]) });

const functions: readonly {
  readonly name: string;
  readonly op: typeof torch.exp;
  readonly jax: (library: typeof jax) => (x: JaxArray) => JaxArray;
  readonly onnx: string;
}[] = [
  { name: "exp", op: torch.exp, jax: ({ numpy }) => numpy.exp, onnx: "Exp" },
  { name: "tanh", op: torch.tanh, jax: ({ numpy }) => numpy.tanh, onnx: "Tanh" },
  { name: "sigmoid", op: torch.sigmoid, jax: ({ nn }) => nn.sigmoid, onnx: "Sigmoid" },
];

const operations: readonly Operation[] = [
  {
    name: "add",
    inputs: two,
    kindling: ({ a, b }) => torch.add(a, b),
    pytorch: "torch.add(a, b)",
    tfjs: (tf, { a, b }) => tf.add(a, b),
    jax: ({ numpy }, { a, b }) => numpy.add(a, b),
    onnx: (graph, { a, b }) => graph.apply("Add", [a, b]),
    reusing: {
      name: "out=",
      kindling: ({ a, b, out }) => torch.add(a, b, { out }),
      pytorch: "torch.add(a, b, out=out)",
    },
  },
  {
    name: "relu",
    inputs: one,
    kindling: ({ x }) => torch.relu(x),
    pytorch: "torch.relu(x)",
    tfjs: (tf, { x }) => tf.relu(x),
    jax: ({ nn }, { x }) => nn.relu(x),
    onnx: (graph, { x }) => graph.apply("Relu", [x]),
    // PyTorch's relu has no `out`.
    reusing: { name: "in place", kindling: ({ x }) => x.relu_(), pytorch: "x.relu_()" },
  },
  ...functions.map(
    ({ name, op, jax, onnx }): Operation => ({
      name,
      inputs: one,
      kindling: ({ x }) => op(x),
      pytorch: `torch.${name}(x)`,
      tfjs: (tf, { x }) => tf[name](x),
      jax: (library, { x }) => jax(library)(x),
      onnx: (graph, { x }) => graph.apply(onnx, [x]),
      reusing: { name: "out=", kindling: ({ x, out }) => op(x, { out }), pytorch: `torch.${name}(x, out=out)` },
    }),
  ),
  // The gelu of PyTorch's public functions has no `out` either.
  {
    name: "gelu",
    inputs: one,
    kindling: ({ x }) => gelu(x),
    pytorch: "F.gelu(x)",
    tfjs: (tf, { x }) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
    jax: ({ nn }, { x }) => nn.gelu(x, { approximate: false }),
    onnx: (graph, { x }) => graph.apply("Gelu", [x]),
  },
];

function rowsOf({ name, inputs, reusing, ...programs }: Operation): Row[] {
  const large = 10_000_000;
  const list = [
    expression({ name: `${name}, 1M`, inputs: inputs(2 ** 20), ...programs }),
    expression({ name: `${name}, 10M`, inputs: inputs(large), ...programs, bar: 1 }),
  ];
  if (reusing !== undefined) {
    list.push(
      expression({
        ...reusing,
        name: `${name}, 10M, ${reusing.name}`,
        inputs: { ...inputs(large), out: uniform([large]) },
        bar: 1,
      }),
    );
  }
  return list;
}

export const elementwise: readonly Row[] = operations.flatMap(rowsOf);
