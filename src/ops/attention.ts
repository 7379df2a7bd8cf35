/**
 * The steps of scaled dot-product attention (Vaswani et al., "Attention Is All You Need", 2017): weights
 * `softmax(scale · Q Kᵀ + mask)` and their product with V. Scores become weights in place, a causal mask is never in
 * memory, and operands are read where they lie, so heads that are slices of one projection are not copied.
 */
import { type DType, float32 } from "../dtype.ts";
import { computeType, constant, type Expr } from "../ir/expr.ts";
import { broadcastShapes, broadcastStrides, type Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { contract } from "./define/contraction.ts";
import { type PrimitiveCall, primitive, RESULT } from "./define/primitive.ts";
import { elementsOf } from "./memory.ts";
import { allocate, type RowOperand, runRow } from "./row.ts";
import { softmaxBackward } from "./softmax-gradient.ts";

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

interface ProductAttrs {
  readonly scale: number;
  readonly dtype: DType;
  readonly order: Order;
}

/** `scale · a b` for stacks of matrices, their batch dimensions broadcast. */
function scaledProduct(a: Tensor, b: Tensor, { scale, dtype, order }: ProductAttrs): Tensor {
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
  const scaled = scale !== 1;
  contract({
    name: "attention_product",
    key: scaled ? ".scaled" : "",
    sizes: { batch, m: [m], n: [n], k: [k] },
    a: { tensor: a, batch: broadcastStrides(batchA, a.strides.slice(0, -2), batch), m: [am], k: [ak] },
    b: { tensor: b, batch: broadcastStrides(batchB, b.strides.slice(0, -2), batch), k: [bk], n: [bn] },
    out: { tensor: out, batch: out.strides.slice(0, -2), m: [om], n: [on] },
    scalars: scaled ? [scale] : undefined,
    epilogue: scaled ? (sum, _, [factor]) => sum.mul(factor) : undefined,
  });
  return out;
}

function productOp(nodeName: string): PrimitiveCall<ProductAttrs> {
  const op: PrimitiveCall<ProductAttrs> = primitive<ProductAttrs>({
    name: "_scaled_product",
    nodeName,
    compute: ([a, b], attrs) => scaledProduct(a, b, attrs),
    gradient: (g, c) => {
      const { scale } = c.attrs;
      const gradient = (x: Tensor, y: Tensor, i: number): Tensor =>
        product([x, y], { scale, dtype: c.dtype(i), order: i === 0 ? null : memoryOrder(c.input(1)) });
      return [
        c.needs(0) ? gradient(g, c.input(1).transpose(-2, -1), 0) : null,
        c.needs(1) ? gradient(c.input(0).transpose(-2, -1), g, 1) : null,
      ];
    },
    // The second factor is also asked for its layout.
    saves: [[1], [0, 1]],
  });
  return op;
}

const product = productOp("UnsafeViewBackward");
const flashProduct = productOp("ScaledDotProductFlashAttentionForCpuBackward");

/** 0 as often as -inf, for `causalMask`. */
let steps: Tensor | null = null;

/**
 * The causal mask as a view of a few numbers: 0 up to the diagonal and -inf after it is the same sequence in every row, one
 * place further each time.
 */
function causalMask(rows: number, columns: number): Tensor {
  const needed = Math.max(rows, columns);
  if (steps === null || steps.count < 2 * needed) {
    const half = Math.max(256, 2 ** Math.ceil(Math.log2(needed)));
    steps = allocate(float32, [2 * half]);
    steps.storage.kept = true;
    (elementsOf(steps) as Float32Array).fill(0, 0, half).fill(Number.NEGATIVE_INFINITY, half);
  }
  return new Tensor(steps.storage, float32, [rows, columns], [-1, 1], steps.count / 2 - 1);
}

interface WeightAttrs {
  readonly scale: number;
  readonly causal: boolean;
  /** Whether a row without any key has weights 0, not NaN. */
  readonly safe: boolean;
  /** Layouts of the gradients of query and key. */
  readonly orders: readonly [Order, Order];
}

/** Rows of scores become weights in place: `softmax(score + mask)`. */
function softmaxOfScores(scores: Tensor, given: Tensor | null, { causal, safe }: WeightAttrs): void {
  const { sizes, strides } = scores;
  const type = computeType(scores.dtype.name);
  const infinity = constant(type, Number.NEGATIVE_INFINITY);
  const zero = constant(type, 0);
  const one = constant(type, 1);
  const own: RowOperand = { tensor: scores, outer: strides.slice(0, -1), inner: strides.slice(-1) };
  const operands = [own];
  const masks = given === null ? [] : [given];
  if (causal) masks.push(causalMask(sizes[sizes.length - 2], sizes[sizes.length - 1]));
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
  compute: ([query, key, mask], attrs) => {
    // Half precision is computed in float32 until the last product.
    const dtype = query.dtype.itemsize === 2 ? float32 : query.dtype;
    const scores = scaledProduct(query, key.transpose(-2, -1), { scale: attrs.scale, dtype, order: null });
    if (scores.count > 0) softmaxOfScores(scores, mask ?? null, attrs);
    return scores;
  },
  gradient: (g, c) => {
    const { scale, orders } = c.attrs;
    const weights = c.output();
    const scores = softmaxBackward([g, weights], { dim: weights.sizes.length - 1 });
    const gradient = (x: Tensor, y: Tensor, i: number): Tensor =>
      product([x, y], { scale, dtype: c.dtype(i), order: orders[i] });
    return [
      c.needs(0) ? gradient(scores, c.input(1), 0) : null,
      c.needs(1) ? gradient(scores.transpose(-2, -1), c.input(0), 1) : null,
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
  return weightsOp(inputs, { ...options, orders: [memoryOrder(query), memoryOrder(key)] });
}

/**
 * Weights (…, L, S) times value (…, S, E), in the dtype of value. `order` is that of the result's dimensions in memory: with
 * the right one, joining the heads again copies nothing. `flash` says what the history names it.
 */
export function weightedValues(weights: Tensor, value: Tensor, order: Order, flash: boolean): Tensor {
  return (flash ? flashProduct : product)([weights, value], { scale: 1, dtype: value.dtype, order });
}
