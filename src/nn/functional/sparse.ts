/** Rows of a matrix by number, and numbers as rows. */
import * as dt from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import * as ops from "../../ops/embedding.ts";
import type { Tensor } from "../../tensor.ts";

/** Keyword arguments of `embedding`. */
export interface EmbeddingOptions {
  /** A row that gets no gradient; negative numbers count from the end. */
  readonly padding_idx?: number | null;
  /** Rows that are used and longer than this are scaled down, in place. */
  readonly max_norm?: number | null;
  readonly norm_type?: number;
  /** Divide each row's gradient by how often it is used. */
  readonly scale_grad_by_freq?: boolean;
  readonly sparse?: boolean;
}

/** The rows of `weight` [n, width] that `input` names: [*] gives [*, width]. */
export function embedding(
  input: Tensor,
  weight: Tensor,
  padding_idx?: number | null | EmbeddingOptions,
  max_norm?: number | null | EmbeddingOptions,
  norm_type?: number | EmbeddingOptions,
  scale_grad_by_freq?: boolean | EmbeddingOptions,
  sparse?: boolean | EmbeddingOptions,
): Tensor {
  const [x, w, padding, most, norm, scale, thin] = bind(
    "embedding(Tensor input, Tensor weight, int? padding_idx=None, float? max_norm=None, float norm_type=2, bool scale_grad_by_freq=False, bool sparse=False)",
    [input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse],
  ) as [Tensor, Tensor, number | null, number | null, number, boolean, boolean];
  let skipped = -1;
  if (padding !== null) {
    const count = w.sizes[0] ?? 0;
    if (padding < -count || padding >= count) throw new RuntimeError("Padding_idx must be within num_embeddings");
    skipped = padding < 0 ? padding + count : padding;
  }
  const indices = x.contiguous();
  if (most !== null) ops.embedding_renorm_(w.detach(), indices, most, norm);
  return ops.embedding(w, indices, skipped, scale, thin);
}

/** 1 at the number of each element, else 0, in a new last dimension of `num_classes` (by default, as many as are needed). */
export function one_hot(tensor: Tensor, num_classes?: number | { readonly num_classes?: number }): Tensor {
  const [x, given] = bind("one_hot(Tensor tensor, int num_classes=-1)", [tensor, num_classes]) as [Tensor, number];
  if (x.dtype !== dt.int64) throw new RuntimeError("one_hot is only applicable to index tensor of type LongTensor.");
  if (x.count === 0) {
    if (given <= 0) throw new RuntimeError("Can not infer total number of classes from empty tensor.");
    return x.new_empty([...x.sizes, given]);
  }
  let largest = 0;
  for (const v of x.typed_array()) {
    const n = Number(v);
    if (n < 0) throw new RuntimeError("Class values must be non-negative.");
    if (n > largest) largest = n;
  }
  if (given === 0 || given < -1) throw new RuntimeError(`num_classes should be positive`);
  if (given > 0 && largest >= given) throw new RuntimeError("Class values must be smaller than num_classes.");
  const classes = given > 0 ? given : largest + 1;
  const numbers = x.new_ones([classes]).cumsum(0).sub(1);
  return numbers.eq(x.unsqueeze(-1)).to(dt.int64);
}
