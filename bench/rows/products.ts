/** Products of matrices. A name gives m × n × k; NT means that the second matrix is stored transposed, TN that the first is. */
import * as torch from "../../src/index.ts";
import { type Expression, expression, type Row, uniform } from "../row.ts";

type Programs = Pick<Expression, "kindling" | "pytorch" | "tfjs" | "jax" | "onnx">;
type Form = "" | "NT" | "TN";

const forms: Readonly<Record<Form, Programs>> = {
  "": {
    kindling: ({ a, b }) => torch.matmul(a, b),
    pytorch: "torch.matmul(a, b)",
    tfjs: (tf, { a, b }) => tf.matMul(a, b),
    jax: ({ numpy }, { a, b }) => numpy.matmul(a, b),
    onnx: (graph, { a, b }) => graph.apply("MatMul", [a, b]),
  },
  NT: {
    kindling: ({ a, b }) => torch.matmul(a, b.t()),
    pytorch: "torch.matmul(a, b.t())",
    tfjs: (tf, { a, b }) => tf.matMul(a, b, false, true),
    jax: ({ numpy }, { a, b }) => numpy.matmul(a, numpy.matrixTranspose(b)),
    onnx: (graph, { a, b }) => graph.apply("Gemm", [a, b], { transB: 1 }),
  },
  TN: {
    kindling: ({ a, b }) => torch.matmul(a.t(), b),
    pytorch: "torch.matmul(a.t(), b)",
    tfjs: (tf, { a, b }) => tf.matMul(a, b, true),
    jax: ({ numpy }, { a, b }) => numpy.matmul(numpy.matrixTranspose(a), b),
    onnx: (graph, { a, b }) => graph.apply("Gemm", [a, b], { transA: 1 }),
  },
};

function product(name: string, [m, n, k]: readonly number[], form: Form, bar: number): Row {
  return expression({
    ...forms[form],
    name: form === "" ? name : `${name} ${form}`,
    inputs: { a: uniform(form === "TN" ? [k, m] : [m, k]), b: uniform(form === "NT" ? [n, k] : [k, n]) },
    bar,
    narrowBar: 0.5,
  });
}

/** A cube's edge, or m, n and k. */
function sgemm(size: number | readonly [number, number, number], bar: number, kinds: readonly Form[]): Row[] {
  const cube = typeof size === "number";
  const name = cube ? `sgemm ${size}³` : `sgemm ${size.join("×")}`;
  return kinds.map((form) => product(name, cube ? [size, size, size] : size, form, bar));
}

const LARGE = [128, 256, 512, 1024, 2048, [64, 3136, 576], [197, 768, 768], [32, 128, 784]] as const;
const SMALL = [64, 100, [16, 100, 150], [32, 10, 128]] as const;

export const products: readonly Row[] = LARGE.flatMap((size) => sgemm(size, 1, ["", "NT", "TN"]));

export const smallProducts: readonly Row[] = [
  ...SMALL.flatMap((size) => sgemm(size, 0.9, [""])),
  product("gemv 1×4096×4096", [1, 4096, 4096], "", 0.9),
  product("gemv 1×4096×4096", [1, 4096, 4096], "NT", 0.9),
];
