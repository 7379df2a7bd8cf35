/** The weights that networks of all libraries start from. */
import * as torch from "../../src/index.ts";
import type { Row } from "../row.ts";

export interface Parameter {
  readonly name: string;
  readonly shape: number[];
  readonly values: Float32Array;
}

/** What Kindling and PyTorch draw for the row's network. */
export async function initialParameters(row: Row): Promise<Parameter[]> {
  torch.manual_seed(0);
  const tensors = (await row.parameters?.()) ?? {};
  return Object.entries(tensors).map(([name, tensor]) => ({
    name,
    shape: [...tensor.shape],
    values: tensor.detach().typed_array() as Float32Array,
  }));
}
