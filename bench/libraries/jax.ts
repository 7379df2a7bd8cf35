/** jax-js with its WebAssembly backend: SIMD; it starts workers where there is a global `Worker`, which Node has not. */

import * as jax from "@jax-js/jax";
import { classes, floats, numbered } from "../data.ts";
import type { Library, Step, Values } from "../library.ts";
import type { JaxArray, Named, OneOrMore, Row } from "../row.ts";
import { initialParameters } from "./parameters.ts";

const { numpy: np } = jax;

function makeInputs({ inputs }: Row): Named<JaxArray> {
  return Object.fromEntries(
    numbered(inputs).map(([name, input, seed]) => {
      const array =
        input.classes === undefined
          ? np.array(floats(input, seed))
          : np.array(Int32Array.from(classes(input, seed)), { dtype: np.int32 });
      return [name, array.reshape([...input.shape])];
    }),
  );
}

async function makeParameters(row: Row): Promise<Named<JaxArray>> {
  const parameters = await initialParameters(row);
  return Object.fromEntries(parameters.map(({ name, shape, values }) => [name, np.array(values).reshape(shape)]));
}

async function read(output: OneOrMore<JaxArray>): Promise<Values[]> {
  const list: JaxArray[] = Array.isArray(output) ? output : [output];
  return Promise.all(list.map(async (array) => ({ shape: array.shape, values: await array.data() })));
}

export async function load(): Promise<Library> {
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  return {
    description: "on 1 thread",
    async prepare(row: Row): Promise<Step | null> {
      if (row.jax === undefined) return null;
      const inputs = makeInputs(row);
      const parameters = await makeParameters(row);
      await jax.blockUntilReady([inputs, parameters]);
      const step = row.jax(jax, inputs, parameters);
      return {
        async run() {
          const output = step();
          await jax.blockUntilReady(output);
          return output;
        },
        async measured() {
          const output = step();
          await jax.blockUntilReady(output);
          jax.tree.dispose(output);
        },
        read: (output) => read(output as OneOrMore<JaxArray>),
        dispose: () => jax.tree.dispose([inputs, parameters]),
      };
    },
  };
}
