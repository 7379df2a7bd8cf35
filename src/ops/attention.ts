/**
 * The steps of scaled dot-product attention (Vaswani et al., "Attention Is All You Need", 2017): weights
 * `softmax(scale · Q Kᵀ + mask)` and their product with V. Scores become weights in place, a causal mask is never in
 * memory, and operands are read where they lie, so heads that are slices of one projection are not copied.
 */

import { bool, float32 } from "../dtype.ts";
import { computeType, constant, type Expr } from "../ir/expr.ts";
import { broadcastStrides } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import {
  alignedStacks,
  blockRows,
  flashProduct,
  memoryOrder,
  type Order,
  outerFirst,
  part,
  product,
  scaledProduct,
  type Triangle,
  takesBlocks,
} from "./attention-product.ts";
import { fillWith } from "./copy.ts";
import { again } from "./define/batch.ts";
import { type PrimitiveCall, primitive, RESULT } from "./define/primitive.ts";
import { elementsOf } from "./memory.ts";
import { allocate, type RowOperand, runRow } from "./row.ts";
import { softmaxBackward } from "./softmax-gradient.ts";

/** True as often as false, for `causalMask`. */
let steps: Tensor | null = null;

/**
 * The causal mask as a view of a few numbers: true up to the diagonal and false after it is the same sequence in every row, one
 * place further each time. Its rows from `first` on.
 */
function causalMask(first: number, rows: number, columns: number): Tensor {
  const needed = Math.max(first + rows, columns);
  if (steps === null || steps.count < 2 * needed) {
    const half = Math.max(256, 2 ** Math.ceil(Math.log2(needed)));
    steps = allocate(bool, [2 * half]);
    steps.storage.kept = true;
    (elementsOf(steps) as Uint8Array).fill(1, 0, half).fill(0, half);
  }
  return new Tensor(steps.storage, bool, [rows, columns], [-1, 1], steps.count / 2 - 1 - first);
}

interface WeightAttrs {
  readonly scale: number;
  readonly causal: boolean;
  /** Whether the weights after the diagonal are left out in blocks. */
  readonly blocks: boolean;
  /** Whether a row without any key has weights 0, not NaN. */
  readonly safe: boolean;
  /** Layouts of the gradients of query and key. */
  readonly orders: readonly [Order, Order];
}

/** The scores of each block of rows up to the diagonal become weights in place, and what comes after it 0. */
function causalSoftmax(scores: Tensor, attrs: WeightAttrs): void {
  const size = scores.sizes[scores.sizes.length - 1];
  const step = blockRows(size);
  for (let begin = 0; begin < size; begin += step) {
    const end = Math.min(size, begin + step);
    softmaxOfScores(part(scores, begin, end, 0, end), null, attrs, begin);
    if (end < size) fillWith(part(scores, begin, end, end, size), 0);
  }
}

/** Rows of scores, of which the first is row `first` of the mask, become weights in place: `softmax(score + mask)`. */
function softmaxOfScores(scores: Tensor, given: Tensor | null, { causal, safe }: WeightAttrs, first = 0): void {
  const { sizes, strides } = scores;
  const type = computeType(scores.dtype.name);
  const infinity = constant(type, Number.NEGATIVE_INFINITY);
  const zero = constant(type, 0);
  const one = constant(type, 1);
  const own: RowOperand = { tensor: scores, outer: strides.slice(0, -1), inner: strides.slice(-1) };
  const operands = [own];
  const masks = given === null ? [] : [given];
  if (causal) masks.push(causalMask(first, sizes[sizes.length - 2], sizes[sizes.length - 1]));
  for (const mask of masks) {
    const s = broadcastStrides(mask.sizes, mask.strides, sizes);
    operands.push({ tensor: mask, outer: s.slice(0, -1), inner: s.slice(-1) });
  }
  const target = operands.length;
  operands.push(own);
  const name = `attention_softmax${masks.map((mask) => `.${mask.dtype.name}`).join("")}${safe ? ".safe" : ""}`;
  runRow({
    name,
    key: name,
    outer: sizes.slice(0, -1),
    inner: sizes.slice(-1),
    operands,
    outputs: 1,
    build: ([stored, ...masked], row) => {
      let score: Expr = stored;
      for (const m of masked) {
        score = score.add(m.type === "bool" ? m.select(zero, infinity) : m.cast(type));
      }
      const largest = row.reduce("max", score);
      const empty = largest.eq(infinity);
      row.store(target, score.sub(safe ? empty.select(zero, largest) : largest).exp());
      // From here on `stored` is the exponential: the input and the result are the same memory.
      const sum = row.reduce("sum", stored);
      row.store(target, stored.div(safe ? empty.select(one, sum) : sum));
    },
  });
}

/** Attention weights from query, key and, if there is a third input, a mask that is bool or added. */
const weightsOp: PrimitiveCall<WeightAttrs> = primitive<WeightAttrs>({
  name: "_attention_weights",
  nodeName: "SafeSoftmaxBackward",
  batch: (call) => {
    const [first, second] = call.attrs.orders;
    const attrs: WeightAttrs = { ...call.attrs, orders: [outerFirst(first), outerFirst(second)] };
    const [query, key, ...mask] = alignedStacks(call);
    const one = call.batched[0] || call.batched[1];
    return again(call, attrs, [one ? query : query.expand(call.size, ...query.sizes), key, ...mask]);
  },
  compute: ([query, key, mask], attrs) => {
    // Half precision is computed in float32 until the last product.
    const dtype = query.dtype.itemsize === 2 ? float32 : query.dtype;
    const triangle: Triangle = attrs.blocks ? "result" : "none";
    const product = { scale: attrs.scale, dtype, order: null, triangle };
    const scores = scaledProduct(query, key.transpose(-2, -1), product, true);
    if (attrs.blocks) causalSoftmax(scores, attrs);
    else if (scores.count > 0) softmaxOfScores(scores, mask ?? null, attrs);
    return scores;
  },
  gradient: (g, c) => {
    const { scale, orders, blocks } = c.attrs;
    const weights = c.output();
    const scores = softmaxBackward([g, weights], { dim: weights.sizes.length - 1 });
    const gradient = (x: Tensor, y: Tensor, i: number, triangle: Triangle): Tensor =>
      product([x, y], { scale, dtype: c.dtype(i), order: orders[i], triangle: blocks ? triangle : "none" });
    return [
      c.needs(0) ? gradient(scores, c.input(1), 0, "lower") : null,
      c.needs(1) ? gradient(scores.transpose(-2, -1), c.input(0), 1, "upper") : null,
      c.inputCount > 2 && c.needs(2) ? scores : null,
    ];
  },
  saves: [[1, RESULT], [0, RESULT], [RESULT]],
});

/**
 * `softmax(scale · query keyᵀ + mask)`: query (…, L, E) and key (…, S, E) give (…, L, S). With `causal`, query i sees keys
 * 0…i. With `safe`, a row without any key has weights 0, as in PyTorch's `_safe_softmax`. Half precision gives float32.
 */
export function attentionWeights(
  query: Tensor,
  key: Tensor,
  mask: Tensor | null,
  options: { readonly scale: number; readonly causal: boolean; readonly safe: boolean },
): Tensor {
  const inputs = mask === null ? [query, key] : [query, key, mask];
  const blocks = options.causal && mask === null && takesBlocks(query.sizes.at(-2) ?? 0, key.sizes.at(-2) ?? 0);
  return weightsOp(inputs, { ...options, blocks, orders: [memoryOrder(query), memoryOrder(key)] });
}

/**
 * Weights (…, L, S) times value (…, S, E), in the dtype of value. `order` is that of the result's dimensions in memory: with
 * the right one, joining the heads again copies nothing. `flash` says what the history names it, `causal` that the weights
 * after the diagonal are 0.
 */
export function weightedValues(weights: Tensor, value: Tensor, order: Order, flash: boolean, causal = false): Tensor {
  const blocks = causal && takesBlocks(weights.sizes.at(-2) ?? 0, weights.sizes.at(-1) ?? 0);
  const triangle = blocks ? "lower" : "none";
  return (flash ? flashProduct : product)([weights, value], { scale: 1, dtype: value.dtype, order, triangle });
}
