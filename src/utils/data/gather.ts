/** Rows of a tensor, copied in one go. */
import { IndexError } from "../../errors.ts";
import { stack } from "../../ops/joining.ts";
import { allocate } from "../../ops/row.ts";
import { heap } from "../../storage/storage.ts";
import type { Tensor } from "../../tensor.ts";

/** The rows of `source` at `indices`, stacked. Negative indices count from the end. */
export function gatherRows(source: Tensor, indices: readonly number[]): Tensor {
  const size = source.length;
  for (const i of indices) {
    if (!(i >= -size && i < size)) {
      throw new IndexError(`index ${i} is out of bounds for dimension 0 with size ${size}`);
    }
  }
  if (source.requires_grad || !source.is_contiguous()) return stack(indices.map((i) => source.select(0, i)));
  const out = allocate(source.dtype, [indices.length, ...source.shape.slice(1)]);
  const bytes = (source.numel() / size) * source.itemsize;
  // Reading an address can bring its storage back into the heap and so move others: the second reading is final.
  void source.storage.address;
  let to = out.storage.address;
  const from = source.storage.address + source.storage_offset() * source.itemsize;
  for (const i of indices) {
    const at = from + (i < 0 ? i + size : i) * bytes;
    heap.u8.copyWithin(to, at, at + bytes);
    to += bytes;
  }
  return out;
}
