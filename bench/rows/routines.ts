/** Scans, sorting and gathering. */
import { expression, labels, type Row, uniform } from "../row.ts";

export const routines: readonly Row[] = [
  expression({
    name: "cumsum, 1M",
    inputs: { x: uniform([2 ** 20]) },
    kindling: ({ x }) => x.cumsum(0),
    pytorch: "x.cumsum(0)",
    tfjs: (tf, { x }) => tf.cumsum(x),
    jax: ({ numpy }, { x }) => numpy.cumsum(x),
    onnx: (graph, { x }) => graph.apply("CumSum", [x, graph.integers(0)]),
  }),
  expression({
    name: "sort, 100k",
    inputs: { x: uniform([100_000]) },
    kindling: ({ x }) => x.sort().values,
    pytorch: "x.sort().values",
    jax: ({ numpy }, { x }) => numpy.sort(x),
  }),
  expression({
    name: "index_select, 4096 rows of 128",
    inputs: { x: uniform([10_000, 128]), index: labels([4096], 10_000) },
    kindling: ({ x, index }) => x.index_select(0, index),
    pytorch: "x.index_select(0, index)",
    tfjs: (tf, { x, index }) => tf.gather(x, index),
    jax: ({ numpy }, { x, index }) => numpy.take(x, index, 0),
    onnx: (graph, { x, index }) => graph.apply("Gather", [x, index]),
  }),
];
