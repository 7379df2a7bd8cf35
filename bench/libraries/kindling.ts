/** Kindling. */
import * as torch from "../../src/index.ts";
import { classes, floats, numbered } from "../data.ts";
import type { Library, LibraryOptions, Step, Values } from "../library.ts";
import type { OneOrMore, Row, Tensors } from "../row.ts";

function makeInputs(inputs: Row["inputs"]): Tensors {
  return Object.fromEntries(
    numbered(inputs).map(([name, input, seed]) => {
      const values = input.classes === undefined ? floats(input, seed) : classes(input, seed);
      return [name, torch.tensor(values).reshape([...input.shape])];
    }),
  );
}

function read(output: OneOrMore<torch.Tensor>): Values[] {
  const tensors = Array.isArray(output) ? (output as readonly torch.Tensor[]) : [output as torch.Tensor];
  return tensors.map((tensor) => ({
    shape: tensor.shape,
    values: tensor.detach().reshape([-1]).typed_array() as ArrayLike<number | bigint>,
  }));
}

export function load({ threads }: LibraryOptions): Library {
  const { set_num_threads, get_num_threads } = torch as {
    set_num_threads?(n: number): void;
    get_num_threads?(): number;
  };
  set_num_threads?.(threads);
  const used = get_num_threads?.() ?? 1;
  return {
    description: used === threads ? "" : `on ${used} of ${threads} threads`,
    async prepare(row: Row): Promise<Step> {
      torch.manual_seed(0);
      return {
        run: await row.kindling(makeInputs(row.inputs)),
        read: (output) => read(output as OneOrMore<torch.Tensor>),
      };
    },
  };
}
