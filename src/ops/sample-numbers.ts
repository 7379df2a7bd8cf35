/** For batching rules of ops with index tensors: which sample an element belongs to. */
import * as dt from "../dtype.ts";
import type { Tensor } from "../tensor.ts";
import { fromValues } from "./from-values.ts";

/** The numbers of the samples, 0 to `size - 1`, of shape (size, 1, …): it broadcasts to `rank` dimensions. */
export function sampleNumbers(size: number, rank: number): Tensor {
  const numbers = fromValues(
    Array.from({ length: size }, (_, i) => i),
    dt.int64,
    false,
  );
  return numbers.view([size, ...new Array<number>(rank - 1).fill(1)]);
}
