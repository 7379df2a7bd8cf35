/** onnxruntime, the native library behind its bindings for Node, on models that are made here. */

import * as ort from "onnxruntime-node";
import { classes, floats, numbered } from "../data.ts";
import type { Library, LibraryOptions, Step } from "../library.ts";
import { Graph } from "../onnx.ts";
import type { Row } from "../row.ts";
import { initialParameters } from "./parameters.ts";

export async function load({ threads }: LibraryOptions): Promise<Library> {
  const options = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
  };
  return {
    description: "",
    async prepare(row: Row): Promise<Step | null> {
      if (row.onnx === undefined) return null;
      const graph = new Graph();
      const feeds: Record<string, InstanceType<typeof ort.Tensor>> = {};
      const inputs: Record<string, string> = {};
      for (const [name, input, seed] of numbered(row.inputs)) {
        const integers = input.classes !== undefined;
        const data = integers ? BigInt64Array.from(classes(input, seed), BigInt) : floats(input, seed);
        if (row.constants?.includes(name)) inputs[name] = graph.constant(input.shape, data);
        else {
          inputs[name] = graph.input(name, input.shape, data);
          feeds[name] = new ort.Tensor(integers ? "int64" : "float32", data, input.shape);
        }
      }
      const parameters: Record<string, string> = {};
      for (const { name, shape, values } of await initialParameters(row)) {
        parameters[name] = graph.constant(shape, values);
      }
      const output = row.onnx(graph, inputs, parameters);
      const session = await ort.InferenceSession.create(graph.model(output), options);
      return {
        run: () => session.run(feeds),
        read: (results) => {
          const { dims, data } = (results as Record<string, InstanceType<typeof ort.Tensor>>)[output];
          return [{ shape: dims, values: data }];
        },
        dispose: () => session.release(),
      };
    },
  };
}
