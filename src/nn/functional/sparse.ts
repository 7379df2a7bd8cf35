/** Rows of a matrix by number, and numbers as rows. */

import * as dt from "../../dtype.ts";
import { NotImplementedError, RuntimeError, ValueError } from "../../errors.ts";
import { allValues } from "../../ops/define/batch.ts";
import { bind } from "../../ops/define/schema.ts";
import * as ops from "../../ops/embedding.ts";
import { embedding_bag as embeddingBag } from "../../ops/embedding-bag.ts";
import { sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { isBatched } from "../../wrapping.ts";

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
  if (given === -1 && isBatched(x)) {
    throw new RuntimeError(
      "When vmap-ing torch.nn.functional.one_hot, please provide an explicit positive num_classes argument.",
    );
  }
  let largest = 0;
  for (const v of allValues(x).typed_array()) {
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

/** Keyword arguments of `embedding_bag`. */
export interface EmbeddingBagOptions {
  /** Where each bag begins, for input of one dimension. */
  readonly offsets?: Tensor | null;
  readonly max_norm?: number | null;
  readonly norm_type?: number;
  readonly scale_grad_by_freq?: boolean;
  /** "mean" (the default), "sum" or "max". */
  readonly mode?: "sum" | "mean" | "max";
  readonly sparse?: boolean;
  /** Factors of the rows, in sums. */
  readonly per_sample_weights?: Tensor | null;
  /** The last offset is the end of the last bag. */
  readonly include_last_offset?: boolean;
  /** Rows that do not count. */
  readonly padding_idx?: number | null;
}

const BAG_MODES = ["sum", "mean", "max"];

/**
 * Sums, means or maxima of rows of `weight` [n, width]: `input` [bags, size] has a bag in each row; [indices] comes with
 * `offsets`, where each bag begins. Gives [bags, width].
 */
export function embedding_bag(
  input: Tensor,
  weight: Tensor,
  offsets?: Tensor | null | EmbeddingBagOptions,
  max_norm?: number | null | EmbeddingBagOptions,
  norm_type?: number | EmbeddingBagOptions,
  scale_grad_by_freq?: boolean | EmbeddingBagOptions,
  mode?: "sum" | "mean" | "max" | EmbeddingBagOptions,
  sparse?: boolean | EmbeddingBagOptions,
  per_sample_weights?: Tensor | null | EmbeddingBagOptions,
  include_last_offset?: boolean | EmbeddingBagOptions,
  padding_idx?: number | null | EmbeddingBagOptions,
): Tensor {
  const bound = bind(
    'embedding_bag(Tensor input, Tensor weight, Tensor? offsets=None, float? max_norm=None, float norm_type=2, bool scale_grad_by_freq=False, str mode="mean", bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None)',
    [
      input,
      weight,
      offsets,
      max_norm,
      norm_type,
      scale_grad_by_freq,
      mode,
      sparse,
      per_sample_weights,
      include_last_offset,
      padding_idx,
    ],
  ) as [
    Tensor,
    Tensor,
    Tensor | null,
    number | null,
    number,
    boolean,
    string,
    boolean,
    Tensor | null,
    boolean,
    number | null,
  ];
  const [given, w, , most, norm, scale, how, thin] = bound;
  let [, , starts, , , , , , factors, includeLast] = bound;
  let x = given;
  if (factors !== null && !sameShape(x.sizes, factors.sizes)) {
    throw new ValueError(
      `embedding_bag: If per_sample_weights (torch.Size(${shapeText(factors.sizes)})) is not None, then it must have the same shape as the input (torch.Size(${shapeText(x.sizes)}))`,
    );
  }
  if (w.ndim !== 2) throw new ValueError(`weight has to be a 2D Tensor, but got Tensor of dimension ${w.ndim}`);
  if (x.ndim === 2) {
    if (starts !== null) {
      throw new ValueError(
        "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However, found offsets of type <class 'torch.Tensor'>",
      );
    }
    const [bags, size] = x.sizes;
    starts = x.new_empty([bags]).copy_(x.new_ones([bags]).cumsum(0).sub(1).mul(size));
    includeLast = false;
    x = x.reshape(-1);
    factors = factors === null ? null : factors.reshape(-1);
  } else if (x.ndim === 1) {
    if (starts === null) throw new ValueError("offsets has to be a 1D Tensor but got None");
    if (starts.ndim !== 1) throw new ValueError("offsets has to be a 1D Tensor");
  } else {
    throw new ValueError(`input has to be 1D or 2D Tensor, but got Tensor of dimension ${x.ndim}`);
  }
  if (!BAG_MODES.includes(how)) throw new ValueError("mode has to be one of sum, mean or max");
  if (how === "max" && scale) throw new ValueError("max mode does not support scaling the gradient by the frequency");
  if (how === "max" && thin) throw new ValueError("max mode does not support sparse weights");
  if (most !== null) ops.embedding_renorm_(w.detach(), x.contiguous(), most, norm);
  if (factors !== null && how !== "sum") {
    throw new NotImplementedError(
      `embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode='${how}'). Please open a feature request on GitHub.`,
    );
  }
  const kind = BAG_MODES.indexOf(how);
  return embeddingBag(w, x, starts, scale, kind, thin, factors, includeLast, bound[10])[0];
}
