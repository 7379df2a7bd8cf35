/** Distances between all pairs of rows: `cdist` and `pdist`. */

import { isRecording } from "../context/grad-mode.ts";
import * as dt from "../dtype.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import { broadcastShapes, contiguousStrides, numelOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copyInto, fillWith } from "./copy.ts";
import { intoFirstDim } from "./define/batch.ts";
import { type PrimitiveCall, primitive, RESULT } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { fromValues } from "./from-values.ts";
import { viewOf } from "./geometry.ts";
import { allocate, runRow } from "./row.ts";

interface DistanceAttrs {
  readonly p: number;
}

type Kind = "zero" | "one" | "two" | "infinite" | "general";

function kindOf(p: number): Kind {
  if (p === 0) return "zero";
  if (p === 1) return "one";
  if (p === 2) return "two";
  return p === Number.POSITIVE_INFINITY ? "infinite" : "general";
}

/** ‖x1[b, i] − x2[b, j]‖ₚ of (B, P, M) and (B, R, M) as (B, P, R). */
function distances(x1: Tensor, x2: Tensor, p: number): Tensor {
  const [batch, rows, width] = x1.sizes;
  const columns = x2.sizes[1];
  const out = allocate(x1.dtype, [batch, rows, columns]);
  if (width === 0 || out.count === 0) {
    fillWith(out, 0);
    return out;
  }
  const kind = kindOf(p);
  const [a, b, c] = x1.strides;
  const [d, e, f] = x2.strides;
  runRow({
    name: "cdist",
    key: `cdist:${kind}`,
    outer: out.sizes,
    inner: [width],
    operands: [
      { tensor: x1, outer: [a, b, 0], inner: [c] },
      { tensor: x2, outer: [d, 0, e], inner: [f] },
      { tensor: out, outer: out.strides, inner: [0] },
    ],
    outputs: 1,
    scalars: [p],
    scalarTypes: [x1.dtype === dt.float64 ? "f64" : "f32"],
    build: ([u, v], row, [order]) => {
      const gap = u.sub(v).abs();
      const one = constant(u.type, 1);
      if (kind === "zero") row.store(2, row.reduce("sum", gap.eq(0).select(constant(u.type, 0), one)));
      else if (kind === "one") row.store(2, row.reduce("sum", gap));
      else if (kind === "two") row.store(2, row.reduce("sum", gap.mul(gap)).sqrt());
      else if (kind === "infinite") row.store(2, row.reduce("max", gap));
      else row.store(2, row.reduce("sum", gap.pow(order)).pow(one.div(order)));
    },
  });
  return out;
}

/** The gradient of x1: each row's sum over the rows of x2. `dist` are the distances. */
function distancesBackward(g: Tensor, x1: Tensor, x2: Tensor, dist: Tensor, p: number): Tensor {
  const out = allocate(x1.dtype, x1.sizes);
  const kind = kindOf(p);
  if (kind === "zero" || out.count === 0 || x2.sizes[1] === 0) {
    fillWith(out, 0);
    return out;
  }
  const pair = (t: Tensor): { outer: number[]; inner: number[] } => ({
    outer: [t.strides[0], t.strides[1], 0],
    inner: [t.strides[2]],
  });
  const [d, e, f] = x2.strides;
  runRow({
    name: "cdist_backward",
    key: `cdist_backward:${kind}:${p < 1}`,
    outer: x1.sizes,
    inner: [x2.sizes[1]],
    operands: [
      { tensor: g, ...pair(g) },
      { tensor: dist, ...pair(dist) },
      { tensor: x1, outer: x1.strides, inner: [0] },
      { tensor: x2, outer: [d, 0, f], inner: [e] },
      { tensor: out, outer: out.strides, inner: [0] },
    ],
    outputs: 1,
    scalars: [p],
    scalarTypes: [x1.dtype === dt.float64 ? "f64" : "f32"],
    build: ([incoming, length, u, v], row, [order]) => {
      const gap = u.sub(v);
      // Where the gap is 0 or NaN, it is its own sign.
      const sign = gap.gt(0).select(incoming, gap.lt(0).select(incoming.neg(), gap));
      row.store(4, row.reduce("sum", slope(kind, { gap, sign, incoming, length, order, concave: p < 1 })));
    },
  });
  return out;
}

interface SlopeParts {
  readonly gap: Expr;
  /** The incoming gradient with the sign of the gap. */
  readonly sign: Expr;
  readonly incoming: Expr;
  readonly length: Expr;
  readonly order: Expr;
  readonly concave: boolean;
}

function slope(kind: Kind, { gap, sign, incoming, length, order, concave }: SlopeParts): Expr {
  const zero = constant(gap.type, 0);
  if (kind === "one") return sign;
  if (kind === "two") return length.eq(0).select(zero, incoming.mul(gap).div(length));
  if (kind === "infinite") return gap.abs().eq(length).select(sign, zero);
  const exponent = order.sub(1);
  const value = sign.mul(gap.abs().pow(exponent)).div(length.pow(exponent));
  // Where two coordinates are equal the slope of a concave function is infinite; PyTorch takes 0.
  const flat = concave ? length.eq(0).or(gap.eq(0)) : length.eq(0);
  return flat.select(zero, value);
}

/** The same, from ops with derivatives. */
function differentiableBackward(g: Tensor, x1: Tensor, x2: Tensor, dist: Tensor, p: number): Tensor {
  const kind = kindOf(p);
  if (kind === "zero") return x1.mul(0);
  const gap = x1.unsqueeze(2).sub(x2.unsqueeze(1));
  const length = dist.unsqueeze(3);
  const incoming = g.unsqueeze(3);
  const terms = (): Tensor => {
    if (kind === "one") return gap.sign().mul(incoming);
    if (kind === "infinite") return gap.sign().mul(incoming).masked_fill(gap.abs().ne(length), 0);
    const same = length.eq(0);
    const divisor = length.masked_fill(same, 1);
    if (kind === "two") return incoming.div(divisor).mul(gap).masked_fill(same, 0);
    const flat = p < 1 ? same.logical_or(gap.eq(0)) : same;
    const size = gap.abs().masked_fill(flat, 1);
    const value = gap
      .sign()
      .mul(size.pow(p - 1))
      .mul(incoming.div(divisor.pow(p - 1)));
    return value.masked_fill(flat, 0);
  };
  return terms().sum(2);
}

const backwardOp: PrimitiveCall<DistanceAttrs> = primitive<DistanceAttrs>({
  name: "_cdist_backward",
  batch: intoFirstDim(),
  compute: ([g, x1, x2, dist], { p }) => distancesBackward(g, x1, x2, dist, p),
});

function rowsGradient(g: Tensor, x1: Tensor, x2: Tensor, dist: Tensor, p: number): Tensor {
  if (isRecording()) return differentiableBackward(g, x1, x2, dist, p);
  return backwardOp([g, x1, x2, dist], { p });
}

const cdistOp: PrimitiveCall<DistanceAttrs> = primitive<DistanceAttrs>({
  name: "cdist",
  batch: intoFirstDim(),
  compute: ([x1, x2], { p }) => distances(x1, x2, p),
  saves: [[0, 1, RESULT]],
  gradient: (g, c) => {
    const [x1, x2, dist] = [c.input(0), c.input(1), c.output()];
    const { p } = c.attrs;
    return [
      c.needs(0) ? rowsGradient(g, x1, x2, dist, p) : null,
      c.needs(1) ? rowsGradient(g.transpose(1, 2), x2, x1, dist.transpose(1, 2), p) : null,
    ];
  },
});

const MODES = ["use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"];

/** Keyword arguments of `cdist`. */
export interface CdistOptions {
  /** The order of the norm, from 0 to Infinity. Default 2. */
  readonly p?: number;
  /** Accepted for the sake of PyTorch's programs; distances are always computed from differences, which is more exact. */
  readonly compute_mode?: string;
}

/** ‖x1ᵢ − x2ⱼ‖ₚ for all rows: (*, P, M) and (*, R, M) give (*, P, R). */
export function cdist(x1: Tensor, x2: Tensor, p?: number | CdistOptions, compute_mode?: string | CdistOptions): Tensor {
  const [a, b, order, mode] = bind(
    'cdist(Tensor x1, Tensor x2, float p=2, str compute_mode="use_mm_for_euclid_dist_if_necessary")',
    [x1, x2, p, compute_mode],
  ) as [Tensor, Tensor, number, string];
  if (!MODES.includes(mode)) throw new ValueError(`${mode} is not a valid value for compute_mode`);
  [a, b].forEach((x, i) => {
    if (!x.dtype.is_floating_point) {
      throw new RuntimeError(`cdist only supports floating-point dtypes, X${i + 1} got: ${dt.scalarTypeName(x.dtype)}`);
    }
    if (x.ndim < 2) throw new RuntimeError(`cdist only supports at least 2D tensors, X${i + 1} got: ${x.ndim}D`);
  });
  const [width, other] = [a.size(-1), b.size(-1)];
  if (width !== other) {
    throw new RuntimeError(`X1 and X2 must have the same number of columns. X1: ${width} X2: ${other}`);
  }
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `expected scalar type ${dt.scalarTypeName(a.dtype)} but found ${dt.scalarTypeName(b.dtype)}`,
    );
  }
  if (!(order >= 0)) throw new RuntimeError("cdist only supports non-negative p values");
  if (a.dtype !== dt.float32 && a.dtype !== dt.float64) dt.notImplementedFor("cdist", a.dtype);
  const lead = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const flat = (x: Tensor): Tensor => {
    const sizes = x.shape.slice(-2);
    return x.expand([...lead, ...sizes]).reshape([numelOf(lead), ...sizes]);
  };
  const out = cdistOp([flat(a), flat(b)], { p: order });
  return out.reshape([...lead, a.size(-2), b.size(-2)]);
}

/** Positions of the pairs i < j in a square matrix, in order of rows. */
function pairs(n: number): Int32Array {
  const list = new Int32Array((n * (n - 1)) / 2);
  let at = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) list[at++] = i * n + j;
  return list;
}

/** Values of the pairs (n(n−1)/2) as a symmetric matrix with zeros on the diagonal. */
function symmetric(values: Tensor, n: number): Tensor {
  const places = fromValues(pairs(n), dt.int64, false);
  const upper = values
    .new_zeros([n * n])
    .index_copy(0, places, values)
    .reshape([n, n]);
  return upper.add(upper.t());
}

const pdistBackwardOp: PrimitiveCall<DistanceAttrs> = primitive<DistanceAttrs>({
  name: "_pdist_backward",
  compute: ([g, x, dist], { p }) => {
    const one = (t: Tensor): Tensor => viewOf(t, [1, ...t.sizes], [0, ...t.strides]);
    const sums = distancesBackward(one(g), one(x), one(x), one(dist), p);
    return viewOf(sums, x.sizes, contiguousStrides(x.sizes));
  },
});

const pdistOp: PrimitiveCall<DistanceAttrs> = primitive<DistanceAttrs>({
  name: "pdist",
  compute: ([x], { p }) => {
    const [n, width] = x.sizes;
    const count = (n * (n - 1)) / 2;
    const out = allocate(x.dtype, [count]);
    // Row i against the rows after it, which are neighbours in the result.
    let at = 0;
    for (let i = 0; i < n - 1; i++) {
      const rest = n - 1 - i;
      const row = viewOf(x, [1, 1, width], [0, 0, x.strides[1]], x.offset + i * x.strides[0]);
      const others = viewOf(x, [1, rest, width], [0, ...x.strides], x.offset + (i + 1) * x.strides[0]);
      copyInto(viewOf(out, [1, 1, rest], [0, 0, 1], at), distances(row, others, p));
      at += rest;
    }
    return out;
  },
  saves: [[0, RESULT]],
  gradient: (g, c) => {
    const x = c.input(0);
    const n = x.size(0);
    const { p } = c.attrs;
    const [grads, lengths] = [symmetric(g, n), symmetric(c.output(), n)];
    if (!isRecording()) return [pdistBackwardOp([grads, x, lengths], { p })];
    const one = (t: Tensor): Tensor => t.unsqueeze(0);
    return [differentiableBackward(one(grads), one(x), one(x), one(lengths), p).squeeze(0)];
  },
});

/** ‖xᵢ − xⱼ‖ₚ for all pairs i < j of the rows of a matrix (N, M): a vector of N(N−1)/2. */
export function pdist(input: Tensor, p?: number | { readonly p?: number }): Tensor {
  const [x, order] = bind("pdist(Tensor input, float p=2)", [input, p]) as [Tensor, number];
  if (x.ndim !== 2) throw new RuntimeError(`pdist only supports 2D tensors, got: ${x.ndim}D`);
  if (!x.dtype.is_floating_point) throw new RuntimeError("pdist only supports floating-point dtypes");
  if (!(order >= 0)) throw new RuntimeError("pdist only supports non-negative p values");
  return pdistOp([x], { p: order });
}
