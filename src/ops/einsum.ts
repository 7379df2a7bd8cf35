/** Sums of products named by subscripts, and what is made of them. */

import { RuntimeError } from "../errors.ts";
import { normalizeDim, numelOf, type Shape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { again } from "./define/batch.ts";
import { contract } from "./define/contraction.ts";
import { intoOut } from "./define/out.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { allocate } from "./row.ts";

/** A tensor whose dimensions have names; each name at most once. */
interface Labelled {
  readonly tensor: Tensor;
  readonly labels: readonly string[];
}

interface PairAttrs {
  readonly a: readonly string[];
  readonly b: readonly string[];
  readonly out: readonly string[];
}

/** Labels of `list` that are in all of `others`, or not. */
const common = (list: readonly string[], other: readonly string[]): string[] => list.filter((l) => other.includes(l));
const missing = (list: readonly string[], other: readonly string[]): string[] => list.filter((l) => !other.includes(l));

/**
 * Σ over the labels that are not in `out` of a · b. Every such label is in both operands, every label of `out` in at least
 * one: then each gradient has the same form. The operands' strides go to the kernel as they are.
 */
const pairOp: PrimitiveCall<PairAttrs> = primitive<PairAttrs>({
  name: "einsum",
  nodeName: "BmmBackward",
  // The samples are one more label.
  batch: (call) => {
    const { attrs, batched } = call;
    const own = `samples${attrs.out.length}`;
    return again(call, {
      a: batched[0] ? [own, ...attrs.a] : attrs.a,
      b: batched[1] ? [own, ...attrs.b] : attrs.b,
      out: [own, ...attrs.out],
    });
  },
  compute: ([a, b], { a: la, b: lb, out: lo }) => {
    const sizeOf = (l: string): number => (la.includes(l) ? a.sizes[la.indexOf(l)] : b.sizes[lb.indexOf(l)]);
    const out = allocate(
      a.dtype,
      lo.map((l) => sizeOf(l)),
    );
    if (out.count === 0) return out;
    const batch = common(common(lo, la), lb);
    const m = missing(common(lo, la), lb);
    const n = missing(common(lo, lb), la);
    const k = missing(la, lo);
    const strides = (x: Tensor, labels: readonly string[], group: readonly string[]): number[] =>
      group.map((l) => x.strides[labels.indexOf(l)]);
    contract({
      name: "einsum",
      sizes: { batch: batch.map(sizeOf), m: m.map(sizeOf), n: n.map(sizeOf), k: k.map(sizeOf) },
      a: { tensor: a, batch: strides(a, la, batch), m: strides(a, la, m), k: strides(a, la, k) },
      b: { tensor: b, batch: strides(b, lb, batch), k: strides(b, lb, k), n: strides(b, lb, n) },
      out: { tensor: out, batch: strides(out, lo, batch), m: strides(out, lo, m), n: strides(out, lo, n) },
    });
    return out;
  },
  gradient: (g, c) => {
    const { a, b, out } = c.attrs;
    return [
      c.needs(0) ? pairOp([g, c.input(1)], { a: out, b, out: a }) : null,
      c.needs(1) ? pairOp([g, c.input(0)], { a: out, b: a, out: b }) : null,
    ];
  },
  saves: [[1], [0]],
});

/** Sums over the labels that are not in `kept`. */
function sumExcept({ tensor, labels }: Labelled, kept: readonly string[]): Labelled {
  const dims = labels.map((l, d) => (kept.includes(l) ? -1 : d)).filter((d) => d >= 0);
  if (dims.length === 0) return { tensor, labels };
  return { tensor: tensor.sum(dims), labels: common(labels, kept) };
}

/** Without dimensions of size 1 that stand for a larger size in the other operand. */
function withoutBroadcast(x: Labelled, other: Labelled): Labelled {
  const dims: number[] = [];
  x.labels.forEach((l, d) => {
    const at = other.labels.indexOf(l);
    if (x.tensor.sizes[d] === 1 && at >= 0 && other.tensor.sizes[at] !== 1) dims.push(d);
  });
  if (dims.length === 0) return x;
  return { tensor: x.tensor.squeeze(dims), labels: x.labels.filter((_, d) => !dims.includes(d)) };
}

/** The product of two operands, summed over the labels that are not in `kept`. */
function multiplyPair(first: Labelled, second: Labelled, kept: readonly string[]): Labelled {
  let a = withoutBroadcast(first, second);
  let b = withoutBroadcast(second, first);
  a = sumExcept(a, [...kept, ...b.labels]);
  b = sumExcept(b, [...kept, ...a.labels]);
  const out = kept.filter((l) => a.labels.includes(l) || b.labels.includes(l));
  const summed = missing(a.labels, out);
  if (summed.length === 0 || a.tensor.dtype !== b.tensor.dtype) {
    // Nothing to sum: a product with broadcasting.
    const all = [...out, ...summed];
    const product = aligned(a, all).mul(aligned(b, all));
    return sumExcept({ tensor: product, labels: all }, out);
  }
  return { tensor: pairOp([a.tensor, b.tensor], { a: a.labels, b: b.labels, out }), labels: out };
}

/** The tensor with its dimensions in the order of `labels`; size 1 where it has none. */
function aligned({ tensor, labels }: Labelled, order: readonly string[]): Tensor {
  const own = common(order, labels);
  let result = tensor;
  const dims = own.map((l) => labels.indexOf(l));
  if (dims.some((d, i) => d !== i)) result = result.permute(dims);
  order.forEach((l, d) => {
    if (!labels.includes(l)) result = result.unsqueeze(d);
  });
  return result;
}

interface Equation {
  /** Subscripts of each operand; "." is the ellipsis. */
  readonly operands: readonly (readonly string[])[];
  /** Those of the result, or null where the equation has no arrow. */
  readonly result: readonly string[] | null;
}

function parseEquation(equation: string): Equation {
  const readSubscripts = (text: string, offset: number): string[] => {
    const labels: string[] = [];
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (c === " ") continue;
      if (c === ".") {
        if (text.slice(i, i + 3) !== "...") {
          throw new RuntimeError(
            `einsum(): found '.' for operand that is not part of any ellipsis, at index ${offset + i} in the equation string`,
          );
        }
        if (labels.includes(".")) {
          throw new RuntimeError("einsum(): found '.' for operand for which an ellipsis was already found");
        }
        labels.push(".");
        i += 2;
      } else if (/[a-zA-Z]/.test(c)) labels.push(c);
      else {
        throw new RuntimeError(
          `einsum(): invalid subscript given at index ${offset + i} in the equation string, subscripts must be in [a-zA-Z]`,
        );
      }
    }
    return labels;
  };
  const arrow = equation.indexOf("->");
  const left = arrow < 0 ? equation : equation.slice(0, arrow);
  let offset = 0;
  const operands = left.split(",").map((text) => {
    const labels = readSubscripts(text, offset);
    offset += text.length + 1;
    return labels;
  });
  return { operands, result: arrow < 0 ? null : readSubscripts(equation.slice(arrow + 2), arrow + 2) };
}

/** Replaces the ellipsis by one label for each dimension that it stands for, and takes diagonals of repeated labels. */
function labelOperand(tensor: Tensor, subscripts: readonly string[], number: number, depth: number[]): Labelled {
  const rank = tensor.sizes.length;
  const named = subscripts.filter((l) => l !== ".").length;
  const ellipsis = subscripts.includes(".");
  if (ellipsis ? named > rank : named !== rank) {
    throw new RuntimeError(
      `einsum(): the number of subscripts in the equation (${named}) ${ellipsis ? "is more than" : "does not match"} the number of dimensions (${rank}) for operand ${number}${ellipsis ? "" : " and no ellipsis was given"}`,
    );
  }
  const hidden = rank - named;
  depth.push(hidden);
  // Ellipsis dimensions are aligned at the last one.
  let labels = subscripts.flatMap((l) =>
    l === "." ? Array.from({ length: hidden }, (_, i) => `.${hidden - i}`) : [l],
  );
  let result = tensor;
  for (let i = 0; i < labels.length; i++) {
    const j = labels.indexOf(labels[i], i + 1);
    if (j < 0) continue;
    if (result.sizes[i] !== result.sizes[j]) {
      throw new RuntimeError(
        `einsum(): subscript ${labels[i]} is repeated for operand ${number} but the sizes don't match, ${result.sizes[j]} != ${result.sizes[i]}`,
      );
    }
    const label = labels[i];
    result = result.diagonal(0, i, j);
    labels = [...labels.filter((_, d) => d !== i && d !== j), label];
    i--;
  }
  return { tensor: result, labels };
}

/**
 * A sum of products in Einstein's notation: `einsum("bij,bjk->bik", a, b)`. Subscripts that are not in the result are summed,
 * a subscript repeated in one operand is its diagonal, "..." stands for all dimensions not named. Without "->" the result has
 * the subscripts that occur once, in alphabetical order.
 */
export function einsum(equation: string, ...operands: (Tensor | readonly Tensor[])[]): Tensor {
  if (typeof equation !== "string") throw new TypeError("einsum(): the first argument must be an equation, a string");
  const list = operands.flatMap((x) => (x instanceof Tensor ? [x] : x));
  const [tensors] = bind("einsum(Tensor[] operands)", [list]) as [Tensor[]];
  if (tensors.length === 0) throw new RuntimeError("einsum(): must provide at least one operand");
  const { operands: subscripts, result } = parseEquation(equation);
  if (subscripts.length !== tensors.length) {
    const fewer = tensors.length < subscripts.length;
    throw new RuntimeError(
      `einsum(): ${fewer ? "fewer" : "more"} operands were provided than specified in the equation`,
    );
  }
  const depths: number[] = [];
  const inputs = tensors.map((t, i) => labelOperand(t, subscripts[i], i, depths));
  const sizes = new Map<string, number>();
  inputs.forEach(({ tensor, labels }, i) => {
    labels.forEach((l, d) => {
      const size = tensor.sizes[d];
      const seen = sizes.get(l) ?? 1;
      if (size !== 1 && seen !== 1 && size !== seen) {
        throw new RuntimeError(
          `einsum(): subscript ${l} has size ${size} for operand ${i} which does not broadcast with previously seen size ${seen}`,
        );
      }
      sizes.set(l, Math.max(size === 0 ? 0 : seen, size));
      if (size === 0) sizes.set(l, 0);
    });
  });
  const out = outputLabels(subscripts, result, Math.max(...depths));
  const last = new Map<string, number>();
  inputs.forEach(({ labels }, i) => {
    for (const l of labels) last.set(l, i);
  });
  let product: Labelled = inputs[0];
  for (let i = 1; i < inputs.length; i++) {
    const all = [...new Set([...product.labels, ...inputs[i].labels])];
    const kept = all.filter((l) => out.includes(l) || (last.get(l) as number) > i);
    // The order of the result, where it can be had for nothing.
    const ordered = [...common(out, kept), ...missing(kept, out)];
    product = multiplyPair(product, inputs[i], ordered);
  }
  return aligned(sumExcept(product, out), out);
}

function outputLabels(
  subscripts: readonly (readonly string[])[],
  result: readonly string[] | null,
  depth: number,
): string[] {
  const ellipsis = Array.from({ length: depth }, (_, i) => `.${depth - i}`);
  const all = subscripts.flat().filter((l) => l !== ".");
  if (result === null) {
    const once = [...new Set(all)].filter((l) => all.indexOf(l) === all.lastIndexOf(l)).sort();
    return [...ellipsis, ...once];
  }
  result.forEach((l, i) => {
    if (l === ".") return;
    if (result.indexOf(l) !== i) {
      throw new RuntimeError(`einsum(): output subscript ${l} appears more than once in the output`);
    }
    if (!all.includes(l)) {
      throw new RuntimeError(`einsum(): output subscript ${l} does not appear in the equation for any input operand`);
    }
  });
  return result.flatMap((l) => (l === "." ? ellipsis : [l]));
}

/** Which dimensions `tensordot` sums over: the last and first n, or lists for both tensors. */
export type TensordotDims = number | readonly [readonly number[] | number, readonly number[] | number];

/** Sums of products over pairs of dimensions; the result has the other dimensions of `a`, then those of `b`. */
export function tensordot(
  a: Tensor,
  b: Tensor,
  dims?: TensordotDims | { dims?: TensordotDims; out?: Tensor },
  options?: { out?: Tensor },
): Tensor {
  const [x, y, given, out] = bind("tensordot(Tensor a, Tensor b, any dims=2, *, Tensor? out=None)", [
    a,
    b,
    dims,
    options,
  ]) as [Tensor, Tensor, TensordotDims, Tensor | null];
  let first: number[];
  let second: number[];
  if (typeof given === "number") {
    if (given < 0) throw new RuntimeError(`tensordot expects dims >= 0, but got dims=${given}`);
    if (given > Math.min(x.sizes.length, y.sizes.length)) {
      throw new RuntimeError(`tensordot expects dims < ndim_a or ndim_b, but got dims=${given}`);
    }
    first = Array.from({ length: given }, (_, i) => x.sizes.length - given + i);
    second = Array.from({ length: given }, (_, i) => i);
  } else {
    const list = (v: readonly number[] | number): number[] => (typeof v === "number" ? [v] : v.slice());
    [first, second] = [list(given[0]), list(given[1])];
  }
  if (first.length !== second.length) throw new RuntimeError("both dimension lists should have same length");
  if (x.dtype !== y.dtype) throw new RuntimeError("both inputs should have same dtype");
  first = first.map((d) => normalizeDim(d, x.sizes.length));
  second = second.map((d) => normalizeDim(d, y.sizes.length));
  let u = x;
  let v = y;
  first.forEach((d, i) => {
    const [p, q] = [x.sizes[d], y.sizes[second[i]]];
    if (p === q) return;
    // A size of 1 is broadcast: the other one is summed first.
    if (q === 1) u = u.sum([d], true, { dtype: u.dtype });
    else if (p === 1) v = v.sum([second[i]], true, { dtype: v.dtype });
    else {
      throw new RuntimeError(
        `contracted dimensions need to match, but first has size ${p} in dim ${d} and second has size ${q} in dim ${second[i]}`,
      );
    }
  });
  const restA = u.sizes.map((_, d) => d).filter((d) => !first.includes(d));
  const restB = v.sizes.map((_, d) => d).filter((d) => !second.includes(d));
  const pick = (t: Tensor, list: readonly number[]): Shape => list.map((d) => t.sizes[d]);
  const k = numelOf(pick(u, first));
  const left = u.permute([...restA, ...first]).reshape(numelOf(pick(u, restA)), k);
  const right = v.permute([...second, ...restB]).reshape(k, numelOf(pick(v, restB)));
  const result = left.mm(right).view([...pick(u, restA), ...pick(v, restB)]);
  return intoOut(out, result);
}

/** The product of matrices in the cheapest order. The first and the last may be vectors. Is `linalg.multi_dot`. */
export function multi_dot(tensors: readonly Tensor[], options?: { out?: Tensor }): Tensor {
  const [list, out] = bind("multi_dot(Tensor[] tensors, *, Tensor? out=None)", [tensors, options]) as [
    Tensor[],
    Tensor | null,
  ];
  const n = list.length;
  if (n < 2) throw new RuntimeError(`multi_dot(): expected at least 2 tensors but got ${n}`);
  list.forEach((t, i) => {
    const edge = i === 0 || i === n - 1;
    const rank = t.sizes.length;
    if (edge ? rank !== 1 && rank !== 2 : rank !== 2) {
      const which = i === 0 ? "the first tensor" : i === n - 1 ? "the last tensor" : `tensor ${i}`;
      throw new RuntimeError(`multi_dot(): ${which} must be ${edge ? "1D or 2D" : "2D"} but got ${rank}D`);
    }
  });
  const matrices = list.map((t, i) => (t.sizes.length === 2 ? t : i === 0 ? t.unsqueeze(0) : t.unsqueeze(1)));
  for (let i = 0; i + 1 < n; i++) {
    if (matrices[i].sizes[1] !== matrices[i + 1].sizes[0]) {
      throw new RuntimeError(
        `multi_dot(): tensors ${i} and ${i + 1} with shapes ${shapeText(list[i].sizes)} and ${shapeText(list[i + 1].sizes)} cannot be multiplied`,
      );
    }
  }
  const shape = [
    ...(list[0].sizes.length === 2 ? [list[0].sizes[0]] : []),
    ...(list[n - 1].sizes.length === 2 ? [list[n - 1].sizes[1]] : []),
  ];
  const result = chainProduct(matrices).view(shape);
  return intoOut(out, result);
}

/** Cormen, Leiserson, Rivest, Stein, "Introduction to Algorithms", chapter 15.2: matrix-chain multiplication. */
function chainProduct(matrices: readonly Tensor[]): Tensor {
  const n = matrices.length;
  const p = [matrices[0].sizes[0], ...matrices.map((t) => t.sizes[1])];
  const cost = matrices.map(() => new Array<number>(n).fill(0));
  const split = matrices.map(() => new Array<number>(n).fill(0));
  for (let length = 1; length < n; length++) {
    for (let i = 0; i + length < n; i++) {
      const j = i + length;
      cost[i][j] = Number.POSITIVE_INFINITY;
      for (let k = i; k < j; k++) {
        const c = cost[i][k] + cost[k + 1][j] + p[i] * p[k + 1] * p[j + 1];
        if (c < cost[i][j]) {
          cost[i][j] = c;
          split[i][j] = k;
        }
      }
    }
  }
  const product = (i: number, j: number): Tensor =>
    i === j ? matrices[i] : product(i, split[i][j]).mm(product(split[i][j] + 1, j));
  return product(0, n - 1);
}

/** The product of matrices in the cheapest order. Deprecated in PyTorch in favour of `linalg.multi_dot`. */
export function chain_matmul(...matrices: Tensor[]): Tensor {
  const [list] = bind("chain_matmul(Tensor[] matrices)", [matrices]) as [Tensor[]];
  if (list.length === 0) throw new RuntimeError("chain_matmul(): Expected one or more matrices");
  list.forEach((t, i) => {
    if (t.sizes.length !== 2) {
      throw new RuntimeError(`Tensor dimension is ${t.sizes.length}, expected 2 instead. (matrix ${i})`);
    }
  });
  return list.length === 1 ? list[0] : multi_dot(list);
}
