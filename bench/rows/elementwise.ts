/** Pointwise operations on vectors that fit into the cache (a million elements) and on such that do not (ten millions). */
import * as torch from "../../src/index.ts";
import { gelu } from "../../src/nn/functional.ts";
import { expression, type Inputs, type Row, type Tensors, uniform } from "../row.ts";

interface Operation {
  readonly name: string;
  readonly inputs: (length: number) => Inputs;
  readonly kindling: (inputs: Tensors) => torch.Tensor;
  readonly pytorch: string;
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

const operations: readonly Operation[] = [
  {
    name: "add",
    inputs: two,
    kindling: ({ a, b }) => torch.add(a, b),
    pytorch: "torch.add(a, b)",
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
    // PyTorch's relu has no `out`.
    reusing: { name: "in place", kindling: ({ x }) => x.relu_(), pytorch: "x.relu_()" },
  },
  ...Object.entries({ exp: torch.exp, tanh: torch.tanh, sigmoid: torch.sigmoid }).map(([name, op]): Operation => {
    return {
      name,
      inputs: one,
      kindling: ({ x }) => op(x),
      pytorch: `torch.${name}(x)`,
      reusing: { name: "out=", kindling: ({ x, out }) => op(x, { out }), pytorch: `torch.${name}(x, out=out)` },
    };
  }),
  // The gelu of PyTorch's public functions has no `out` either.
  { name: "gelu", inputs: one, kindling: ({ x }) => gelu(x), pytorch: "F.gelu(x)" },
];

function rowsOf({ name, inputs, kindling, pytorch, reusing }: Operation): Row[] {
  const large = 10_000_000;
  const list = [
    expression({ name: `${name}, 1M`, inputs: inputs(2 ** 20), kindling, pytorch }),
    expression({ name: `${name}, 10M`, inputs: inputs(large), kindling, pytorch, bar: 1 }),
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
