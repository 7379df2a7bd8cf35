/**
 * The products of attention: scores, weighted values, and their gradients. Behind a causal mask half of each is zero or not
 * asked for, and is not computed: rows are taken in blocks, and each block only as far as the diagonal.
 */

import type { BatchedCall } from "../dispatch.ts";
import type { DType } from "../dtype.ts";
import { broadcastShapes, broadcastStrides, type Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { fillWith } from "./copy.ts";
import { again, withRank } from "./define/batch.ts";
import { contract } from "./define/contraction.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { allocate } from "./row.ts";

/** Order of a result's dimensions in memory, outermost first; null for the usual order. */
export type Order = readonly number[] | null;

/**
 * The order in which `x` has its dimensions in memory, for results that take its layout; null where that is the usual
 * one, or where it is no order of dimensions.
 */
export function memoryOrder(x: Tensor): Order {
  const { sizes, strides } = x;
  const order = sizes.map((_, d) => d).sort((p, q) => strides[q] - strides[p] || p - q);
  if (order.every((d, i) => d === i)) return null;
  // Rows stay rows: kernels write them as vectors.
  return order[order.length - 1] === sizes.length - 1 && strides.every((s) => s > 0) ? order : null;
}

/** The order with one more dimension, which is outermost. */
export const outerFirst = (order: Order): Order => order && [0, ...order.map((d) => d + 1)];

/** Under torch.vmap: the samples of stacks that are broadcast are one more dimension in front. */
export function alignedStacks<A>(call: BatchedCall<A>): Tensor[] {
  const rank = Math.max(...call.inputs.map((t) => t.sizes.length));
  return call.values.map((t, i) => (call.batched[i] ? withRank(t, rank + 1) : t));
}

function allocateInOrder(dtype: DType, sizes: Shape, order: Order): Tensor {
  if (order === null || order.length !== sizes.length) return allocate(dtype, sizes);
  const strides = new Array<number>(sizes.length);
  let stride = 1;
  for (let i = order.length - 1; i >= 0; i--) {
    strides[order[i]] = stride;
    stride *= Math.max(sizes[order[i]], 1);
  }
  return allocate(dtype, sizes, strides);
}

/**
 * What is triangular in `a b`: nothing; `a`, of which only the elements up to the diagonal count; `a`, of which only those
 * from the diagonal on count; or the result, which is 0 after the diagonal. What is triangular is square.
 */
export type Triangle = "none" | "lower" | "upper" | "result";

export interface ProductAttrs {
  readonly scale: number;
  readonly dtype: DType;
  readonly order: Order;
  readonly triangle: Triangle;
}

/** The fewest rows that are taken in blocks. */
const LEAST_ROWS = 64;

/** Whether products behind a causal mask between as many queries and keys are worth taking in blocks. */
export function takesBlocks(queries: number, keys: number): boolean {
  return queries === keys && queries >= LEAST_ROWS;
}

/** How many rows of `size` are in a block. Smaller blocks leave more out, larger ones multiply faster. */
export function blockRows(size: number): number {
  return Math.ceil(size / (size < 256 ? 4 : 8) / 16) * 16;
}

/** The tensor whose first element is `by` elements after that of `t`. */
function shifted(t: Tensor, by: number): Tensor {
  return by === 0 ? t : new Tensor(t.storage, t.dtype, t.sizes, t.strides, t.offset + by, false);
}

/** The rows [begin, end) and columns [from, to) of stacked matrices. */
export function part(t: Tensor, begin: number, end: number, from: number, to: number): Tensor {
  const rank = t.sizes.length;
  const sizes = t.sizes.slice();
  sizes[rank - 2] = end - begin;
  sizes[rank - 1] = to - from;
  const offset = t.offset + begin * t.strides[rank - 2] + from * t.strides[rank - 1];
  return new Tensor(t.storage, t.dtype, sizes, t.strides, offset);
}

/** `scale · a b` for stacks of matrices, their batch dimensions broadcast. With `raw`, what is 0 is not written. */
export function scaledProduct(a: Tensor, b: Tensor, attrs: ProductAttrs, raw = false): Tensor {
  const { scale, dtype, order, triangle } = attrs;
  const batchA = a.sizes.slice(0, -2);
  const batchB = b.sizes.slice(0, -2);
  const batch = broadcastShapes(batchA, batchB);
  const [m, k] = a.sizes.slice(-2);
  const n = b.sizes[b.sizes.length - 1];
  const out = allocateInOrder(dtype, [...batch, m, n], order);
  if (out.count === 0) return out;
  const [am, ak] = a.strides.slice(-2);
  const [bk, bn] = b.strides.slice(-2);
  const [om, on] = out.strides.slice(-2);
  const stridesA = broadcastStrides(batchA, a.strides.slice(0, -2), batch);
  const stridesB = broadcastStrides(batchB, b.strides.slice(0, -2), batch);
  const stridesOut = out.strides.slice(0, -2);
  const scaled = scale !== 1;
  /** The rows [begin, end) of the result, its first `columns` columns, as sums over k in [first, last). */
  const rows = (begin: number, end: number, columns: number, first: number, last: number): void =>
    contract({
      name: "attention_product",
      key: scaled ? ".scaled" : "",
      sizes: { batch, m: [end - begin], n: [columns], k: [last - first] },
      a: { tensor: shifted(a, begin * am + first * ak), batch: stridesA, m: [am], k: [ak] },
      b: { tensor: shifted(b, first * bk), batch: stridesB, k: [bk], n: [bn] },
      out: { tensor: shifted(out, begin * om), batch: stridesOut, m: [om], n: [on] },
      scalars: scaled ? [scale] : undefined,
      epilogue: scaled ? (sum, _, [factor]) => sum.mul(factor) : undefined,
    });
  if (triangle === "none") {
    rows(0, m, n, 0, k);
    return out;
  }
  const step = blockRows(m);
  for (let begin = 0; begin < m; begin += step) {
    const end = Math.min(m, begin + step);
    if (triangle === "lower") rows(begin, end, n, 0, end);
    else if (triangle === "upper") rows(begin, end, n, begin, k);
    else {
      rows(begin, end, end, 0, k);
      if (!raw && end < n) fillWith(part(out, begin, end, end, n), 0);
    }
  }
  return out;
}

function productOp(nodeName: string): PrimitiveCall<ProductAttrs> {
  const op: PrimitiveCall<ProductAttrs> = primitive<ProductAttrs>({
    name: "_scaled_product",
    nodeName,
    batch: (call) => again(call, { ...call.attrs, order: outerFirst(call.attrs.order) }, alignedStacks(call)),
    compute: ([a, b], attrs) => scaledProduct(a, b, attrs),
    gradient: (g, c) => {
      const { scale, triangle } = c.attrs;
      const gradient = (x: Tensor, y: Tensor, i: number, kind: Triangle): Tensor =>
        product([x, y], {
          scale,
          dtype: c.dtype(i),
          order: i === 0 ? null : memoryOrder(c.input(1)),
          triangle: kind,
        });
      const [first, second] = GRADIENT_TRIANGLES[triangle];
      const transposed = (x: Tensor): Tensor => x.transpose(-2, -1);
      return [
        !c.needs(0)
          ? null
          : triangle === "upper"
            ? transposed(gradient(c.input(1), transposed(g), 0, first))
            : gradient(g, transposed(c.input(1)), 0, first),
        !c.needs(1)
          ? null
          : triangle === "result"
            ? transposed(gradient(transposed(g), c.input(0), 1, second))
            : gradient(transposed(c.input(0)), g, 1, second),
      ];
    },
    // The second factor is also asked for its layout.
    saves: [[1], [0, 1]],
  });
  return op;
}

/** What is triangular in the gradients of the two factors, the first for "upper" and the second for "result" transposed. */
const GRADIENT_TRIANGLES: Readonly<Record<Triangle, readonly [Triangle, Triangle]>> = {
  none: ["none", "none"],
  lower: ["result", "upper"],
  upper: ["result", "lower"],
  result: ["lower", "upper"],
};

/** `scale · a b`, named as PyTorch names it where it computes attention in steps, or in one op. */
export const product: PrimitiveCall<ProductAttrs> = productOp("UnsafeViewBackward");
export const flashProduct: PrimitiveCall<ProductAttrs> = productOp("ScaledDotProductFlashAttentionForCpuBackward");
