/** The operations of networks as nodes of an ONNX graph. */
import type { Graph } from "../onnx.ts";
import type { Named } from "../row.ts";
import type { Operations } from "./functional.ts";

export function onnxOperations(graph: Graph, parameters: Named<string>): Operations<string> {
  const layer = (name: string) => [`${name}.weight`, `${name}.bias`].flatMap((key) => parameters[key] ?? []);
  return {
    convolution: (x, name, stride, padding) =>
      graph.apply("Conv", [x, ...layer(name)], {
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
      }),
    batchNorm: (x, name) =>
      graph.apply("BatchNormalization", [
        x,
        ...layer(name),
        parameters[`${name}.running_mean`],
        parameters[`${name}.running_var`],
      ]),
    maxPool: (x, size, stride, padding) =>
      graph.apply("MaxPool", [x], {
        kernel_shape: [size, size],
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
      }),
    globalAverage: (x) => graph.apply("Flatten", [graph.apply("GlobalAveragePool", [x])]),
    flatten: (x) => graph.apply("Flatten", [x]),
    relu: (x) => graph.apply("Relu", [x]),
    linear: (x, name) => graph.apply("Gemm", [x, ...layer(name)], { transB: 1 }),
    add: (a, b) => graph.apply("Add", [a, b]),
    again: (x) => x,
  };
}
