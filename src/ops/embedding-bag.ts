/** Sums, means and maxima of rows of a matrix, bag by bag. */
import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { bind } from "./define/schema.ts";
import { embedding } from "./embedding.ts";
import { fromValues } from "./from-values.ts";
import { checkIndices } from "./index-check.ts";
import { floatsOf } from "./memory.ts";

/** What `embedding_bag` gives: the bags, the bag of each index, how many rows each bag has, and (for maxima) which rows. */
export type EmbeddingBagResult = [output: Tensor, offset2bag: Tensor, bag_size: Tensor, max_indices: Tensor];

/** Keyword arguments of `embedding_bag`. */
export interface EmbeddingBagCallOptions {
  readonly scale_grad_by_freq?: boolean;
  /** 0 sum, 1 mean, 2 maximum. */
  readonly mode?: number;
  readonly sparse?: boolean;
  readonly per_sample_weights?: Tensor | null;
  readonly include_last_offset?: boolean;
  readonly padding_idx?: number | null;
}

const numbers = (x: Tensor): number[] => (x.reshape(-1).tolist() as (number | bigint)[]).map(Number);
const integers = (values: readonly number[]): Tensor => {
  return fromValues(
    BigInt64Array.from(values, (v) => BigInt(v)),
    dt.int64,
    false,
  );
};

function requireIndexType(x: Tensor, argument: string): void {
  if (x.dtype === dt.int64 || x.dtype === dt.int32) return;
  throw new RuntimeError(
    `Expected tensor for argument #1 '${argument}' to have one of the following scalar types: Long, Int; but got torch.${dt.scalarTypeName(x.dtype)}Tensor instead (while checking arguments for embedding_bag)`,
  );
}

/** Where each bag begins, and where the last one ends. */
function bagBounds(offsets: readonly number[], count: number, includeLast: boolean): number[] {
  if (offsets.length > 0 && offsets[0] !== 0) {
    throw new RuntimeError(
      `offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got ${offsets[0]}`,
    );
  }
  const last = offsets.at(-1) ?? 0;
  if (last > count) {
    throw new RuntimeError(
      `offsets[-1] can not be greater than input's length ${count} but got offsets[-1] of ${last}`,
    );
  }
  const bounds = includeLast ? [...offsets] : [...offsets, count];
  for (let b = 1; b < bounds.length; b++) {
    if (bounds[b] < bounds[b - 1]) throw new RuntimeError("embedding_bag: offsets must not decrease");
  }
  // With its end given, what lies behind the last bag still belongs to it.
  if (includeLast && bounds.length > 0) bounds[bounds.length - 1] = count;
  return bounds;
}

/** The largest of the rows in each bag, column by column: the first of equal ones. */
function largestRows(weight: Tensor, places: readonly number[], bags: readonly number[], count: number): number[] {
  const width = weight.shape[1];
  const values = floatsOf(weight.detach());
  const best = new Array<number>(count * width).fill(-1);
  bags.forEach((bag, k) => {
    for (let j = 0; j < width; j++) {
      const at = bag * width + j;
      if (best[at] < 0 || values[places[k] * width + j] > values[best[at] * width + j]) best[at] = places[k];
    }
  });
  return best;
}

/**
 * Rows of `weight` (n, width) put together: bag b has the indices from `offsets[b]` to the next offset. Rows of
 * `padding_idx` do not count. Sums may weigh each row by `per_sample_weights`.
 */
export function embedding_bag(
  weight: Tensor,
  indices: Tensor,
  offsets: Tensor,
  scale_grad_by_freq?: boolean | EmbeddingBagCallOptions,
  mode?: number | EmbeddingBagCallOptions,
  sparse?: boolean | EmbeddingBagCallOptions,
  per_sample_weights?: Tensor | null | EmbeddingBagCallOptions,
  include_last_offset?: boolean | EmbeddingBagCallOptions,
  padding_idx?: number | null | EmbeddingBagCallOptions,
): EmbeddingBagResult {
  const [table, list, starts, scale, how, thin, factors, includeLast, padding] = bind(
    "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None)",
    [weight, indices, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, padding_idx],
  ) as [Tensor, Tensor, Tensor, boolean, number, boolean, Tensor | null, boolean, number | null];
  requireIndexType(list, "indices");
  requireIndexType(starts, "offsets");
  if (thin) throw new NotImplementedError("sparse gradients are not implemented: use sparse: false");
  const rows = table.shape[0];
  let skipped = -1;
  if (padding !== null) {
    if (padding < -rows || padding >= rows) {
      throw new RuntimeError(
        `padding_idx must be within the number of embeddings, ${-rows} through ${rows - 1}, but got ${padding}`,
      );
    }
    skipped = padding < 0 ? padding + rows : padding;
  }
  if (factors !== null && factors.dtype !== table.dtype) {
    throw new RuntimeError(
      `Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 'per_sample_weights'; but type torch.${dt.scalarTypeName(table.dtype)}Tensor does not equal torch.${dt.scalarTypeName(factors.dtype)}Tensor (while checking arguments for embedding_bag)`,
    );
  }
  if (factors !== null && how !== 0) {
    throw new RuntimeError(
      "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum'",
    );
  }
  checkIndices(list, rows, false, (value) => {
    throw new RuntimeError(`embedding_bag: index out of range: ${value} is not in [0, ${rows})`);
  });
  const bounds = bagBounds(numbers(starts), list.numel(), includeLast);
  const count = Math.max(0, bounds.length - 1);
  const bagOf = bounds.slice(1).flatMap((end, b) => new Array<number>(end - bounds[b]).fill(b));
  const all = numbers(list);
  const kept = all.map((_, k) => k).filter((k) => all[k] !== skipped && k < bagOf.length);
  const places = kept.map((k) => all[k]);
  const bags = kept.map((k) => bagOf[k]);
  const sizes = new Array<number>(count).fill(0);
  for (const b of bags) sizes[b]++;
  const width = table.shape[1];
  const info = [integers(bagOf), integers(sizes)] as const;
  if (how === 2) {
    const best = largestRows(table, places, bags, count);
    const chosen = integers(best.map((row) => Math.max(row, 0))).reshape([count, width]);
    const empty = fromValues(
      Uint8Array.from(sizes, (s) => (s === 0 ? 1 : 0)),
      dt.bool,
      false,
    ).reshape([count, 1]);
    return [table.gather(0, chosen).masked_fill(empty, 0), ...info, chosen];
  }
  let values = embedding(table, integers(places), -1, scale);
  if (factors !== null) {
    const own = kept.length === all.length ? factors : factors.index_select(0, integers(kept));
    values = values.mul(own.unsqueeze(1));
  }
  const sums = table.new_zeros([count, width]).index_add(0, integers(bags), values);
  if (how === 0) return [sums, ...info, integers(sizes)];
  const divisors = fromValues(
    Float64Array.from(sizes, (s) => Math.max(s, 1)),
    table.dtype,
    false,
  );
  return [sums.div(divisors.reshape([count, 1])), ...info, integers(sizes)];
}
