/** Rows of a matrix by number: the lookup of embeddings. */

import { withGradMode } from "../autograd/mode.ts";
import * as dt from "../dtype.ts";
import { roundTo } from "../elements.ts";
import { IndexError, NotImplementedError, RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { again, fold } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { gatherInto } from "./define/scatter.ts";
import { bind } from "./define/schema.ts";
import { fromValues } from "./from-values.ts";
import { checkIndices } from "./index-check.ts";
import { floatsOf } from "./memory.ts";
import { allocate } from "./row.ts";
import { sampleNumbers } from "./sample-numbers.ts";

interface EmbeddingAttrs {
  /** The row that gets no gradient; -1 for none. */
  readonly padding: number;
  /** Divide the gradient of each row by how often it was looked up. */
  readonly scale: boolean;
}

const embeddingOp: PrimitiveCall<EmbeddingAttrs> = primitive<EmbeddingAttrs>({
  name: "embedding",
  inputNames: ["weight", "indices"],
  savedAttributes: ({ padding, scale }) => ({ padding_idx: padding, scale_grad_by_freq: scale }),
  batch: (call) => {
    const { attrs, batched, inputs, size, values } = call;
    const [weight, indices] = values;
    if (!batched[0]) return again(call);
    // Where backward will need to know the row without a gradient there would be one for each sample.
    if (attrs.padding >= 0 && weight.requires_grad) return null;
    const rows = inputs[0].sizes[0];
    const first = sampleNumbers(size, inputs[1].sizes.length + 1).mul(rows);
    return embeddingOp([fold(weight), indices.add(first)], { ...attrs, padding: -1 });
  },
  compute: ([weight, indices]) => {
    const out = allocate(weight.dtype, [...indices.sizes, weight.sizes[1]]);
    const rank = indices.sizes.length;
    gatherInto(out, weight, {
      shape: out.sizes,
      strides: out.sizes.map((_, d) => (d === rank ? weight.strides[1] : 0)),
      indices: [
        {
          tensor: indices,
          strides: [...indices.strides, 0],
          size: weight.sizes[0],
          stride: weight.strides[0],
          negative: false,
        },
      ],
    });
    return out;
  },
  saves: [[1]],
  gradient: (g, c) => [embedding_dense_backward(g, c.input(1), c.shape(0)[0], c.attrs.padding, c.attrs.scale), null],
});

/** The gradient of an embedding's matrix: the rows of `grad_output` added up by their number. */
export function embedding_dense_backward(
  grad_output: Tensor,
  indices: Tensor,
  num_weights: number,
  padding_idx: number,
  scale_grad_by_freq: boolean,
): Tensor {
  const width = grad_output.shape[grad_output.ndim - 1];
  const places = indices.reshape(-1);
  let rows = grad_output.reshape([places.numel(), width]);
  if (scale_grad_by_freq) {
    const scaled = rows.detach().mul(frequencies(places, num_weights, rows.dtype));
    // PyTorch differentiates this as if it were not scaled: the difference is zero, and has that gradient.
    rows = rows.requires_grad ? scaled.add(rows.sub(rows.detach())) : scaled;
  }
  const sums = rows.new_zeros([num_weights, width]).index_add(0, places, rows);
  return padding_idx < 0 ? sums : sums.index_fill(0, fromValues([padding_idx], dt.int64, false), 0);
}

/** 1 / (how often the number occurs) for each index, as a column. */
function frequencies(places: Tensor, count: number, dtype: dt.DType): Tensor {
  const ones = places.new_ones(places.sizes, { dtype: dt.float64 });
  const counts = ones.new_zeros([count]).index_add(0, places, ones);
  return counts.index_select(0, places).reciprocal().to(dtype).unsqueeze(1);
}

/**
 * The rows of `weight` (n × width) whose numbers are in `indices`; the result has the shape of `indices` and the width.
 * Row `padding_idx` gets no gradient. `scale_grad_by_freq` divides each row's gradient by how often it occurs.
 */
export function embedding(
  weight: Tensor,
  indices: Tensor,
  padding_idx?: number | { padding_idx?: number; scale_grad_by_freq?: boolean; sparse?: boolean },
  scale_grad_by_freq?: boolean,
  sparse?: boolean,
): Tensor {
  const [table, places, padding, scale, thin] = bind(
    "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)",
    [weight, indices, padding_idx, scale_grad_by_freq, sparse],
  ) as [Tensor, Tensor, number, boolean, boolean];
  if (table.ndim !== 2) throw new RuntimeError("'weight' must be 2-D");
  if (thin) throw new NotImplementedError("sparse gradients are not implemented: use sparse: false");
  if (places.dtype !== dt.int64 && places.dtype !== dt.int32) {
    throw new RuntimeError(
      `Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.${dt.scalarTypeName(places.dtype)}Tensor instead (while checking arguments for embedding)`,
    );
  }
  checkIndices(places, table.shape[0], false, () => {
    throw new IndexError("index out of range in self");
  });
  return embeddingOp([table, places], { padding, scale });
}

/** Scales those rows of `self` that `indices` names down to a norm of `max_norm`, in place. */
export function embedding_renorm_(self: Tensor, indices: Tensor, max_norm: number, norm_type: number): Tensor {
  const [table, places, most, p] = bind(
    "embedding_renorm_(Tensor self, Tensor indices, float max_norm, float norm_type)",
    [self, indices, max_norm, norm_type],
  ) as [Tensor, Tensor, number, number];
  if (table.ndim !== 2) throw new RuntimeError("'self' must be 2-D");
  checkIndices(places, table.shape[0], false, () => {
    throw new IndexError("index out of range in self");
  });
  return withGradMode(false, () => {
    const width = table.shape[1];
    const list = places.reshape(-1).tolist() as number[];
    const numbers = [...new Set(list)].sort((a, b) => a - b);
    const values = floatsOf(table.detach());
    const large: number[] = [];
    const factors: number[] = [];
    for (const row of numbers) {
      const norm = roundTo(table.dtype, rowNorm(values.subarray(row * width, (row + 1) * width), p));
      if (norm > most) {
        large.push(row);
        factors.push(most / (norm + 1e-7));
      }
    }
    if (large.length === 0) return table;
    const rows = fromValues(large, dt.int64, false);
    const scale = fromValues(new Float64Array(factors), table.dtype, false).reshape([large.length, 1]);
    return table.index_copy_(0, rows, table.index_select(0, rows).mul(scale));
  });
}

function rowNorm(row: Float32Array | Float64Array, p: number): number {
  let sum = 0;
  if (p === Number.POSITIVE_INFINITY) {
    for (const v of row) sum = Math.max(sum, Math.abs(v));
    return sum;
  }
  if (p === 2) {
    for (const v of row) sum += v * v;
    return Math.sqrt(sum);
  }
  for (const v of row) sum += Math.abs(v) ** p;
  return sum ** (1 / p);
}
