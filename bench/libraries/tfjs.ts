/** TensorFlow.js with its WebAssembly backend: SIMD, and in Node one thread, since it starts workers in browsers only. */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { classes, floats, numbered } from "../data.ts";
import type { Library, Step, Values } from "../library.ts";
import type { Layout, Named, OneOrMore, Row, TfTensor } from "../row.ts";
import { initialParameters } from "./parameters.ts";

/** From our order of dimensions to TensorFlow's. */
const CHANNELS_LAST: Readonly<Record<Layout, readonly number[]>> = {
  images: [0, 2, 3, 1],
  filters: [2, 3, 1, 0],
  "depthwise filters": [2, 3, 0, 1],
};

function inverse(order: readonly number[]): number[] {
  return order.map((_, i) => order.indexOf(i));
}

function makeInputs({ inputs, layouts }: Row): Named<TfTensor> {
  return Object.fromEntries(
    numbered(inputs).map(([name, input, seed]) => {
      const tensor =
        input.classes === undefined
          ? tf.tensor(floats(input, seed), [...input.shape])
          : tf.tensor(Int32Array.from(classes(input, seed)), [...input.shape], "int32");
      const layout = layouts?.inputs[name];
      return [name, layout === undefined ? tensor : tf.transpose(tensor, [...CHANNELS_LAST[layout]])];
    }),
  );
}

async function makeParameters(row: Row): Promise<Named<TfTensor>> {
  const parameters = await initialParameters(row);
  return Object.fromEntries(parameters.map(({ name, shape, values }) => [name, tf.tensor(values, shape)]));
}

async function read(output: OneOrMore<TfTensor>, { layouts }: Row): Promise<Values[]> {
  const list = (Array.isArray(output) ? output : [output]).map((tensor, i) => {
    const layout = layouts?.outputs[i];
    return layout ? tf.transpose(tensor, inverse(CHANNELS_LAST[layout])) : tensor;
  });
  return Promise.all(list.map(async (tensor) => ({ shape: tensor.shape, values: await tensor.data() })));
}

export async function load(): Promise<Library> {
  await tf.setBackend("wasm");
  await tf.ready();
  const scope = (): void => {
    tf.engine().startScope();
  };
  scope();
  return {
    description: "on 1 thread",
    async prepare(row: Row): Promise<Step | null> {
      // All that belonged to the row before.
      tf.engine().endScope();
      scope();
      if (row.tfjs === undefined) return null;
      const step = row.tfjs(tf, makeInputs(row), await makeParameters(row));
      return {
        run: () => tf.tidy(step),
        measured: () => tf.dispose(tf.tidy(step)),
        read: (output) => read(output as OneOrMore<TfTensor>, row),
      };
    },
  };
}
